/**
 * With `--import`, Node takes the built package for the sources of the library, as its users do: its children start in half of the time.
 *
 * @module
 */
import { registerHooks } from "node:module";

const root = new URL("../", import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const [, module] = found.url.startsWith(root) ? /^(mod|adapters\/\w+)\.ts$/.exec(found.url.slice(root.length)) ?? [] : [];
    return module === undefined ? found : { url: `${root}npm/package/node/${module}.js`, format: "module", shortCircuit: true };
  },
});
