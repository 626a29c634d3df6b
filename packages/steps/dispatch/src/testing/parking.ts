const openai = (code: string, type = "invalid_request_error") => ({ error: { message: "no", type, param: null, code } });
const anthropic = (type: string, message = "no", details?: { error_code: string }) => ({
  type: "error",
  error: { type, message, ...(details ? { details } : {}) },
});
/** What providers say when nothing on an account will pass until a person acts: provider, status, body. */
export const PARKING = [
  ["openai", 429, openai("insufficient_quota", "insufficient_quota")],
  ["openai", 429, openai("billing_hard_limit_reached")],
  ["openai", 400, openai("billing_not_active")],
  ["openai", 403, openai("account_deactivated")],
  ["openai", 403, openai("access_terminated")],
  ["openai", 403, openai("unsupported_country_region_territory")],
  ["openai", 401, openai("invalid_api_key")],
  ["openai", 404, "<html>nginx</html>"],
  ["anthropic", 401, anthropic("authentication_error")],
  ["anthropic", 402, anthropic("billing_error")],
  ["anthropic", 403, anthropic("permission_error")],
  ["anthropic", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the API.")],
  ["anthropic", 400, anthropic("invalid_request_error", "no", { error_code: "credit_balance_too_low" })],
  ["anthropic", 429, anthropic("rate_limit_error", "cap", { error_code: "enforced_spend_limit_reached" })],
] as const;
