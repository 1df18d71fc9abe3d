export default {
  build: { target: "esnext" },
  worker: { format: "es" },
  // Before the build, too, what the page and its workers import is to be the same.
  optimizeDeps: { exclude: ["@polyproc/multiprocessing"] },
};
