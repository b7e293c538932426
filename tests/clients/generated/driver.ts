// The README's program with every example of the contract; `examples.ts` is made from it, so that
// the compiler holds each of them against the types of the client.
import { examples } from "./examples.js";
import { thereAndBack } from "./readme.js";

for (const [name, request] of Object.entries(examples)) {
  const backups = await thereAndBack(request);
  console.log(name, backups.length);
}
