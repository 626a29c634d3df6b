/**
 * The router: of several models the smallest that will do, for each request. It learns online from graded answers of the tenant's own traffic, with no
 * embedding service and no key: what a request looks like, what its job has been like, and, after a cheap model has answered, what the answer looks
 * like. What it expects is calibrated on labels that it had not seen, and its thresholds are set where the expected loss is bounded.
 */
export { type Acceptor, type Answered, type GradedAnswer, judge, trainAcceptor, type Verdict } from "./acceptor.ts";
export { answerFeatures, figuresOf, type PromptFigures } from "./answer.ts";
export { type Choice, choose, priceOfQuality, type Trial } from "./choose.ts";
export { gramsOf } from "./grams.ts";
export { type Ask, askHeads, askOf, type Example, type HeadScores } from "./heads.ts";
export { accepts, type Label, LEAST_LABELS, labelsNeeded, lossUnder, type Policy, type Routing, route, trainPolicy } from "./policy.ts";
export { learnPriors, priorOf } from "./prior.ts";
export { crossFit, type Expectation, expect, expectFrom, partsOf, type Router, routerOf } from "./router.ts";
export { type Seen, seenOf } from "./seen.ts";
export { faultOf } from "./validate.ts";
