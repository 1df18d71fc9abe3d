/** What workers of Piscina and Tinypool run. */
export default (n) => n;
