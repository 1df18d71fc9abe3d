/** What workers of jest-worker run. */
export const same = (n) => n;
