import webpack from "webpack";

const compiler = webpack({
  mode: "production",
  entry: "./main.js",
  output: { module: true, filename: "[name].js", chunkFilename: "[name].js" },
  experiments: { outputModule: true },
});
compiler.run((error, stats) => {
  if (error !== null || stats.hasErrors()) throw error ?? new Error(stats.toString());
  compiler.close(() => {});
});
