/**
 * The entry of every child, process or thread.
 *
 * @module
 */

import { adapter } from "./pick.ts";
import { boot } from "../src/boot.ts";

boot(adapter);
