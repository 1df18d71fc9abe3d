/** The entry of the page's workers. */
import "../../adapters/worker.ts";
import { registerModule } from "../../mod.ts";

registerModule("tiles", () => import("./tiles.ts"));
