/** Told apart also by those who do not see red and green. */
export const ARM_COLORS: Readonly<Record<string, string>> = { a: '#0072b2', b: '#d55e00', c: '#009e73' };
export const STAGE_COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
