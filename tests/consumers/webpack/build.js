import webpack from "webpack";

const compiler = webpack({
  mode: "production",
  entry: "./main.js",
});
compiler.run((error, stats) => {
  const isWrong = stats?.hasErrors() || stats?.toJson().warnings.some(({ message }) => message.includes("Critical dependency"));
  if (error !== null || isWrong) throw error ?? new Error(stats.toString());
  compiler.close(() => {});
});
