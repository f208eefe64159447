export const int8Sources = () => { throw new Error('x'); };
