/**
 * The entry of every child, process or thread.
 *
 * @module
 */

import { adapter } from "#adapter";
import { boot } from "../src/boot.ts";

boot(adapter);
