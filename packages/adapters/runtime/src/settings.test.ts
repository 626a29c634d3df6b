import { expect, test } from "vitest";
import { z } from "zod";
import { parseSettings } from "./settings.ts";

const schema = z.object({ PORT: z.coerce.number().int().min(1), URL: z.url(), NAME: z.string().default("boat") });

test("every wrong setting is named at once, and what it should have been", () => {
  expect(() => parseSettings(schema, { PORT: "zero" })).toThrow(/PORT: .*number[\s\S]*URL: /);
});

test("settings come out typed, with defaults and without what nobody asked for", () => {
  expect(parseSettings(schema, { PORT: "80", URL: "http://localhost", HOME: "/root" })).toEqual({ PORT: 80, URL: "http://localhost", NAME: "boat" });
});
