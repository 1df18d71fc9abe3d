/** The entry of the page's workers. */
import "../../adapters/worker.ts";
import { registerModule } from "../../mod.ts";
import * as tiles from "./tiles.ts";

registerModule("tiles", tiles);
