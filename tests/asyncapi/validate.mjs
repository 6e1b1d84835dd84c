// Reads an AsyncAPI document from stdin with the official parser and prints what it finds as JSON.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const operations = document?.operations().all() ?? [];
const found = {
  parsed: document !== undefined,
  channels: document?.channels().all().map((channel) => channel.id()) ?? [],
  replies: Object.fromEntries(
    operations
      .filter((operation) => operation.reply())
      .map((operation) => [
        operation.id(),
        { address: operation.reply().address()?.location(), channel: operation.reply().channel()?.id() },
      ]),
  ),
  // 0 is an error, 1 a warning; 2 and 3 are remarks.
  diagnostics: diagnostics.map(({ code, message, path, severity }) => ({ code, message, path: path.join("/"), severity })),
};
process.stdout.write(JSON.stringify(found));
