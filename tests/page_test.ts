// run: on=node26 with= from=sources
/** The page of examples/browser in Chromium: it draws with all workers, isolated or not, and obeys mouse, touch and keyboard. */
import { assert } from "chai";
import type { BrowserContextOptions, Page } from "playwright-core";
import { demoFiles, ISOLATION } from "../scripts/demo_browser.ts";
import { serve } from "../scripts/serve.ts";
import { chromium, OPTIONS } from "./browser.ts";
import { test } from "./harness.ts";

let bundled: ReturnType<typeof demoFiles> | undefined;

/** Opens the page in a context of its own, and waits until it is drawn. */
async function withPage(
  headers: Record<string, string>,
  options: BrowserContextOptions,
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const { server, url } = await serve(await (bundled ??= demoFiles()), headers), context = await (await chromium()).newContext(options);
  try {
    const page = await context.newPage(), errors: Error[] = [];
    page.on("pageerror", (error) => errors.push(error));
    await page.goto(url);
    await drawn(page);
    await body(page);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
    server.close();
  }
}

async function drawn(page: Page): Promise<void> {
  await page.waitForSelector("body[data-state=done]", { timeout: 60_000 });
}

/** The colours along a line of the picture, above the middle, where it is its own mirror image, whole: a change of the page's layout has it drawn anew, at any time. */
async function colours(page: Page): Promise<string[]> {
  const found = await page.waitForFunction(() => {
    if (document.body.dataset.state !== "done") return null;
    const canvas = document.querySelector("canvas")!, { width, height } = canvas;
    const { data } = canvas.getContext("2d")!.getImageData(0, Math.floor(height / 3), width, 1);
    return Array.from({ length: width }, (_, x) => [...data.subarray(x * 4, x * 4 + 4)].join());
  });
  return (await found.jsonValue())!;
}

/** Whether a line shows the set, however wide the picture is. */
function isDrawn(line: readonly string[]): boolean {
  return new Set(line).size > line.length / 4;
}

/** Does something that changes the picture, and waits until it is drawn anew. */
async function changes(page: Page, act: () => Promise<void>): Promise<void> {
  const before = await colours(page);
  await act();
  await page.waitForFunction(() => document.body.dataset.state === "done");
  assert.notDeepEqual(await colours(page), before);
}

for (const [name, headers] of [["isolated", ISOLATION], ["not isolated", {}]] as const) {
  test(`the page is drawn by all workers (${name})`, () =>
    withPage(headers, { viewport: { width: 800, height: 500 } }, async (page) => {
      assert.isTrue(isDrawn(await colours(page)));
      assert.notInclude(await colours(page), "0,0,0,0");
      assert.match((await page.textContent("#status"))!, /^\d+ ms · \d+\.\d × one worker$/);
      assert.equal(await page.isVisible("#kindly"), headers !== ISOLATION);
      const count = Number(await page.inputValue("#workers"));
      assert.equal(await page.locator(".bar").count(), count);
      await page.focus("#workers");
      await page.keyboard.press("Home");
      await page.waitForFunction(() => document.querySelectorAll(".bar").length === 1);
      await drawn(page);
      assert.equal(await page.textContent("#count"), "1");
    }), OPTIONS);
}

test("mouse and keyboard move and zoom the picture", () =>
  withPage(ISOLATION, { viewport: { width: 800, height: 500 } }, async (page) => {
    await page.mouse.move(300, 300);
    await changes(page, () => page.mouse.wheel(0, -100));
    await changes(page, async () => {
      await page.mouse.down();
      await page.mouse.move(350, 340);
      await page.mouse.up();
    });
    await changes(page, () => page.dblclick("canvas", { position: { x: 200, y: 200 } }));
    await page.focus("canvas");
    for (const key of ["+", "ArrowLeft", "ArrowDown", "-", "0"]) await changes(page, () => page.keyboard.press(key));
    await changes(page, () => page.click("#in"));
    await changes(page, () => page.click("#reset"));
  }), OPTIONS);

test(
  "the page fits a phone, in the dark, and is zoomed by a touch",
  () =>
    withPage(ISOLATION, { viewport: { width: 360, height: 740 }, colorScheme: "dark", hasTouch: true, isMobile: true }, async (page) => {
      assert.isAtMost(await page.evaluate(() => document.documentElement.scrollWidth), 360);
      assert.isBelow(await page.evaluate(() => parseInt(getComputedStyle(document.body).backgroundColor.slice(4))), 64);
      await changes(page, () => page.tap("#in"));
      const session = await page.context().newCDPSession(page);
      const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...touchPoints: { x: number; y: number }[]) =>
        session.send("Input.dispatchTouchEvent", { type, touchPoints });
      await changes(page, async () => {
        await touch("touchStart", { x: 150, y: 400 }, { x: 200, y: 400 });
        await touch("touchMove", { x: 100, y: 400 }, { x: 260, y: 400 });
        await touch("touchEnd");
      });
    }),
  OPTIONS,
);

test(
  "a page that is reloaded while it draws draws again",
  () =>
    withPage(ISOLATION, { viewport: { width: 800, height: 500 } }, async (page) => {
      await page.click("#in");
      await page.reload();
      await drawn(page);
      assert.isTrue(isDrawn(await colours(page)));
    }),
  OPTIONS,
);

test("the picture keeps its place where the window is low", () =>
  withPage({}, { viewport: { width: 640, height: 320 } }, async (page) => {
    assert.isAtLeast((await page.locator("canvas").boundingBox())!.height, 200);
    assert.isTrue(isDrawn(await colours(page)));
  }), OPTIONS);
