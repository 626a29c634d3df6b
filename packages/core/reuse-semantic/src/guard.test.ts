import { expect, test } from "vitest";
import { guard } from "./index.ts";

test.each([
  ["Where is order 48213?", "Where is order 48231?", "identifiers differ"],
  ["What is wrong with AB-12?", "What is wrong with AB-13?", "identifiers differ"],
  ["Is ann@example.com a user?", "Is bob@example.com a user?", "identifiers differ"],
  ["Set a 5 minute timer", "Set a 7 minute timer", "numbers differ"],
  ["Set a 5 minute timer", "Set a 5 hour timer", "numbers differ"],
  ["Convert 5 euros", "Convert $5", "numbers differ"],
  ["Open on Monday?", "Open on Sunday?", "dates differ"],
  ["What was the rate last year?", "What is the rate?", "dates differ"],
  ["What does `parse()` do?", "What does `print()` do?", "code differs"],
  ["What does user_name mean?", "What does user_email mean?", "code differs"],
  ["Is the lake clean?", "Is the lake not clean?", "one denies the other"],
  ["Is the lake clean?", "Isn't the lake clean?", "one denies the other"],
  ["Is the lake clean?", "Is the lake dirty?", "one says the contrary"],
  ["It is necessary to register", "It is unnecessary to register", "one says the contrary"],
  ["How do I enable the firewall?", "How do I disable the firewall?", "one says the contrary"],
  ["Is aspirin safe for my mother?", "Is aspirin safe for my dog?", "persons differ"],
  ["Weather in Oslo, please", "Weather in Bergen, please", "names differ"],
  ["What does a gold card cost?", "What does a platinum card cost?", "another thing of its kind"],
  ["Translate this into French", "Translate this into German", "another thing of its kind"],
  ["How do I book a room?", "How do I report a room?", "another action"],
])("%s / %s: %s, in either order", (a, b, reason) => {
  expect(guard(a, b)).toContain(reason);
  expect(guard(b, a)).toEqual(guard(a, b));
});

test.each([
  ["How much is 1,000 dollars?", "What is 1000 dollars worth?"],
  ["Set a timer for seven minutes", "Set a 7 minute timer"],
  ["It is not easy", "It is hard"],
  ["That is not untrue", "That is true"],
  ["It's not bad, is it?", "It's good, isn't it?"],
  ["I can't log in", "I cannot log in"],
  ["What is my current balance?", "What is my balance?"],
  ["Is the door closed?", "Is the door shut?"],
  ["How do I purchase a ticket?", "How do I buy a ticket?"],
  ["The steps are 1) load and 2) save.", "Load it, then save it: these are the steps."],
])("nothing keeps apart: %s / %s", (a, b) => {
  expect(guard(a, b)).toEqual([]);
});
