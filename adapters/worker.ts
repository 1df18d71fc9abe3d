/**
 * The entry of every child, process or thread. In a browser, an application's own worker imports it first.
 *
 * @module
 */

import { adapter } from "#adapter";
import { boot } from "../src/boot.ts";
import "../src/pool_entry.ts";

boot(adapter);
