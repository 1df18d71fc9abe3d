/**
 * Pictures of the figures: throughput by peer, and how costs grow with those who take part. Readable on light and on dark pages.
 *
 * @module
 */
import { type EChartsOption, init } from "echarts";
import { ROOT } from "../scripts/runtimes.ts";
import type { Line } from "./measure.ts";
import { show, TITLES } from "./results.ts";

const WIDTH = 860;
/** Halfway between black and white, for the page behind it may be either. */
const INK = "#808080", FAINT = "#80808040";
/** Okabe and Ito's colours, which people see apart who do not see all colours. */
const COLOURS = ["#0072b2", "#e69f00", "#009e73"];
const SYMBOLS = ["circle", "triangle"];

/** What all pictures have in common. */
const COMMON: EChartsOption = {
  animation: false,
  backgroundColor: "transparent",
  textStyle: { color: INK, fontFamily: "sans-serif" },
};
const LEGEND = { bottom: 0, textStyle: { color: INK } };
const AXIS = {
  nameLocation: "middle" as const,
  nameTextStyle: { color: INK },
  axisLabel: { color: INK },
  axisLine: { lineStyle: { color: INK } },
  splitLine: { lineStyle: { color: FAINT } },
};

const title = (text: string) => ({ text, textStyle: { color: INK, fontSize: 14 } });

/** Draws a case, if it is one of throughput or of growth. Gives the path of the picture, as seen from `bench/`. */
export async function drawChart(name: string, lines: readonly Line[]): Promise<string | undefined> {
  const isGrowth = lines[0].participants !== undefined;
  if (!isGrowth && !lines[0].unit.endsWith("/s")) return undefined;
  const path = `charts/${name.toLowerCase().replaceAll(" ", "_")}.svg`;
  await Deno.mkdir(`${ROOT}bench/charts`, { recursive: true });
  await Deno.writeTextFile(`${ROOT}bench/${path}`, isGrowth ? growth(name, lines) : throughput(name, lines));
  return path;
}

function draw(height: number, option: EChartsOption): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({ ...COMMON, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** A bar for each contender on each runtime. */
function throughput(name: string, lines: readonly Line[]): string {
  const contenders = [...new Set(lines.map(({ contender }) => contender))];
  const runtimes = [...new Set(lines.map(({ runtime }) => runtime))];
  const figure = (runtime: string, contender: string) =>
    lines.find((line) => line.runtime === runtime && line.contender === contender)?.median ?? null;
  return draw(110 + contenders.length * (14 * runtimes.length + 12), {
    title: title(TITLES[name]),
    legend: LEGEND,
    grid: { left: 10, right: 60, top: 40, bottom: 75, containLabel: true },
    xAxis: {
      ...AXIS,
      type: "value",
      position: "bottom",
      name: lines[0].unit,
      nameGap: 26,
      axisLabel: { color: INK, formatter: axisFigure },
    },
    yAxis: { ...AXIS, type: "category", inverse: true, data: contenders },
    series: runtimes.map((runtime, i) => ({
      type: "bar" as const,
      name: runtime,
      color: COLOURS[i],
      barGap: "10%",
      data: contenders.map((contender) => figure(runtime, contender)),
      label: {
        show: true,
        position: "right" as const,
        color: INK,
        fontSize: 10,
        formatter: ({ value }: { value?: unknown }) => typeof value === "number" ? show(value) : "",
      },
    })),
  });
}

/** A line for each contender on each runtime. */
function growth(name: string, lines: readonly Line[]): string {
  const counts = [...new Set(lines.map(({ participants }) => participants!))].sort((a, b) => a - b);
  const runtimes = [...new Set(lines.map(({ runtime }) => runtime))], contenders = [...new Set(lines.map(({ contender }) => contender))];
  const points = (runtime: string, contender: string) =>
    lines.filter((line) => line.runtime === runtime && line.contender === contender && line.median !== null)
      .map(({ participants, median }) => [participants!, median!]);
  return draw(420, {
    title: title(TITLES[name]),
    legend: LEGEND,
    grid: { left: 30, right: 30, top: 40, bottom: 95, containLabel: true },
    xAxis: { ...AXIS, type: "log", logBase: 2, name: "participants", nameGap: 26, min: counts[0], max: counts.at(-1) },
    yAxis: { ...AXIS, type: "log", name: lines[0].unit, nameGap: 45, axisLabel: { color: INK, formatter: axisFigure } },
    series: runtimes.flatMap((runtime, i) =>
      contenders.map((contender, j) => ({
        type: "line" as const,
        name: `${runtime}, ${contender}`,
        color: COLOURS[i],
        symbol: SYMBOLS[j],
        symbolSize: 8,
        lineStyle: { type: j === 0 ? "solid" as const : "dashed" as const },
        data: points(runtime, contender),
      }))
    ),
  });
}

function axisFigure(value: number): string {
  return Number.isInteger(value) && value < 1000 ? String(value) : show(value).replace(/\.0+(?= |$)/, "");
}
