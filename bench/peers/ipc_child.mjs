/** What children with a channel of `child_process` run: they send back a number, or many objects. */
import process from "node:process";

process.on("message", (message) => {
  if (typeof message === "number") process.send(message);
  else for (let i = 0; i < message.count; i++) process.send({ id: i, name: "item", values: [1, 2, 3] });
});
