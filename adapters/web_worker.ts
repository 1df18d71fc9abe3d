/**
 * The entry of every child in a browser. Applications with a worker of their own import it there before anything else.
 *
 * @module
 */

import "./web_child.ts";
import { adapter } from "#adapter";
import { boot } from "../src/boot.ts";

boot(adapter);
