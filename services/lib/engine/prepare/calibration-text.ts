/**
 * The text that activations are measured on while a model is prepared at int8: the opening of Isaac Newton's
 * Opticks (1704, public domain). Not the text that quality is measured on.
 */
export const calibrationText = `My Design in this Book is not to explain the Properties of Light by
Hypotheses, but to propose and prove them by Reason and Experiments: In
order to which I shall premise the following Definitions and Axioms.

_DEFINITIONS_

DEFIN. I.

_By the Rays of Light I understand its least Parts, and those as well
Successive in the same Lines, as Contemporary in several Lines._ For it
is manifest that Light consists of Parts, both Successive and
Contemporary; because in the same place you may stop that which comes
one moment, and let pass that which comes presently after; and in the
same time you may stop it in any one place, and let it pass in any
other. For that part of Light which is stopp'd cannot be the same with
that which is let pass. The least Light or part of Light, which may be
stopp'd alone without the rest of the Light, or propagated alone, or do
or suffer any thing alone, which the rest of the Light doth not or
suffers not, I call a Ray of Light.

DEFIN. II.

_Refrangibility of the Rays of Light, is their Disposition to be
refracted or turned out of their Way in passing out of one transparent
Body or Medium into another. And a greater or less Refrangibility of
Rays, is their Disposition to be turned more or less out of their Way in
like Incidences on the same Medium._ Mathematicians usually consider the
Rays of Light to be Lines reaching from the luminous Body to the Body
illuminated, and the refraction of those Rays to be the bending or
breaking of those lines in their passing out of one Medium into another.
And thus may Rays and Refractions be considered, if Light be propagated
in an instant. But by an Argument taken from the Æquations of the times
of the Eclipses of _Jupiter's Satellites_, it seems that Light is
propagated in time, spending in its passage from the Sun to us about
seven Minutes of time: And therefore I have chosen to define Rays and
Refractions in such general terms as may agree to Light in both cases.

DEFIN. III.

_Reflexibility of Rays, is their Disposition to be reflected or turned
back into the same Medium from any other Medium upon whose Surface they
fall. And Rays are more or less reflexible, which are turned back more
or less easily._ As if Light pass out of a Glass into Air, and by being
inclined more and more to the common Surface of the Glass and Air,
begins at length to be totally reflected by that Surface; those sorts of
Rays which at like Incidences are reflected most copiously, or by
inclining the Rays begin soonest to be totally reflected, are most
reflexible.

DEFIN. IV.

_The Angle of Incidence is that Angle, which the Line described by the
incident Ray contains with the Perpendicular to the reflecting or
refracting Surface at the Point of Incidence._`;
