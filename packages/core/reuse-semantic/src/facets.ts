import { type Reading, stem } from "./read-text.ts";

/** Names of things that exclude each other: who asks about one is not answered about another. Synonyms share a word group joined by `=`. */
const ALTERNATIVES: readonly string[] = [
  "credit debit prepaid",
  "checking=current savings",
  "visa mastercard amex=american maestro",
  "gold silver platinum bronze diamond",
  "basic standard premium pro enterprise starter free plus ultimate deluxe",
  "economy business first",
  "paypal venmo zelle stripe applepay=apple googlepay=google",
  "dollar=usd euro=eur gbp=sterling yen=jpy franc=chf rupee=inr peso=mxn yuan=cny",
  "windows linux=ubuntu macos=mac android ios=iphone",
  "iphone=ios android pixel samsung",
  "chrome firefox safari edge opera",
  "python javascript typescript java ruby rust golang php swift kotlin scala perl haskell",
  "postgres=postgresql mysql sqlite oracle mongodb redis mariadb cassandra",
  "aws=amazon azure gcp",
  "docker kubernetes=k8s nomad",
  "json yaml xml csv toml",
  "english french spanish german italian portuguese chinese japanese korean russian arabic dutch hindi latin swahili greek turkish polish swedish",
  "france germany spain italy england=uk=britain ireland portugal china japan korea india russia canada mexico brazil australia usa=america egypt greece turkey poland sweden norway",
  "paris london berlin rome madrid tokyo beijing moscow boston chicago dallas denver miami seattle atlanta houston toronto sydney dublin amsterdam vienna prague",
  "red blue green yellow orange purple pink brown black white grey=gray",
  "breakfast lunch dinner=supper brunch",
  "dog cat horse bird fish rabbit",
  "car bike=bicycle bus train plane=flight boat ship truck motorcycle",
  "email=mail phone=telephone sms=text chat fax",
  "password pin username=login",
  "monthly yearly=annual weekly daily quarterly hourly",
  "chicken beef pork fish tofu turkey lamb",
  "wood steel plastic glass aluminium=aluminum copper iron",
  "mortgage loan lease",
  "medicare medicaid",
  "vacation sick maternity paternity parental",
  "passport visa licence=license",
  "apartment=flat house condo",
  "doctor dentist lawyer accountant plumber electrician",
  "seller buyer",
  "mercury venus earth mars jupiter saturn uranus neptune pluto",
  "heart liver kidney lung brain stomach",
  "celsius fahrenheit kelvin",
  "kilometer=km mile meter=metre foot inch",
];

/** What is to be done; words joined by `=` ask for the same. */
const ACTIONS = `cancel=revoke=abort reschedule=postpone=delay book=reserve=schedule check=view=see=show=display=look=list=find update=change=modify=edit=adjust=alter
delete=remove=erase create=make=generate=build refund=reimburse transfer=send=wire pay=settle block=freeze=lock=suspend unblock=unfreeze=unlock
replace=renew=reissue activate=enable deactivate=disable report dispute=contest=appeal verify=validate order=buy=purchase sell return=exchange withdraw deposit=top download
upload install uninstall upgrade downgrade reset=recover restart=reboot restore backup approve reject=decline translate summarize=summarise explain=describe compare convert
calculate=compute sort merge split encrypt decrypt deploy rollback test share print export import subscribe unsubscribe join leave track turn extend=prolong shorten`;

/** People other than the one who asks. */
const PERSONS = new Set(
  `his her him hers wife husband spouse partner mother mom mum father dad parent parents son daughter child children kid kids brother sister sibling boss manager
colleague coworker employee employees friend neighbour neighbor customer customers tenant tenants landlord roommate supplier vendor student students teacher patient patients
grandmother grandfather uncle aunt cousin nephew niece guest guests admin administrator everyone anyone somebody someone`.split(/\s+/),
);

type Groups = ReadonlyMap<string, readonly string[]>;

/** Stem to `group:member` of every group it is in. */
const groupsOf = (lines: readonly string[]): Groups => {
  const groups = new Map<string, string[]>();
  lines.forEach((line, group) => {
    line.split(/\s+/).forEach((synonyms, member) => {
      for (const word of synonyms.split("=")) {
        const known = groups.get(stem(word)) ?? [];
        known.push(`${group}:${member}`);
        groups.set(stem(word), known);
      }
    });
  });
  return groups;
};
const ALTERNATIVE_GROUPS = groupsOf(ALTERNATIVES);
const ACTION_GROUPS = groupsOf([ACTIONS]);

/** Whether one text names a member of a group where the other names another member of it, and neither names both. */
function swapped(groups: Groups, a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const left = [...a].filter((word) => !b.has(word)).flatMap((word) => groups.get(word) ?? []);
  if (left.length === 0) return false;
  const right = [...b].filter((word) => !a.has(word)).flatMap((word) => groups.get(word) ?? []);
  const memberOf = (slot: string): string => slot.slice(0, slot.indexOf(":"));
  return left.some((slot) => !right.includes(slot) && right.some((other) => memberOf(other) === memberOf(slot) && !left.includes(other)));
}

/** One text asks about a thing that excludes the other's: another card, tier, language, city, currency. */
export const alternativeSwapped = (a: Reading, b: Reading): boolean => swapped(ALTERNATIVE_GROUPS, a.content, b.content);

/** One text asks for something else to be done: a cancellation where the other wants a change. */
export const actionSwapped = (a: Reading, b: Reading): boolean => swapped(ACTION_GROUPS, a.content, b.content);

/** The people that a text is about, beside who asks. */
export const personsOf = (reading: Reading): string[] => [...new Set(reading.words.filter((word) => PERSONS.has(word)))].sort();
