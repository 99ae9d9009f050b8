#pragma once
// What may be shown of texts that can hold passwords and tokens (floor 0; sql for places of
// databases, the program for settings, messages and what `ps` shows). Where a text can be read in
// two ways, more is hidden, not less: a raw '#', '?', '/', '@' or ':' in a password is legal in
// some URLs and a mistake in others, and shown in none.

#include <cstdint>
#include <string>
#include <string_view>

namespace taskstore {

/// The parts of SCHEME://[USER[:PASSWORD]@]PLACE[?QUERY][#…], as views into the URL.
struct UrlParts {
    std::string_view scheme;  ///< With "://".
    std::string_view user;    ///< As far as the '@': may hold a password. Empty: none.
    std::string_view place;   ///< Hosts with ports, and the path.
    std::string_view query;   ///< From the '?' on, with what follows a '#'. May hold secrets.
    /// Whether the parts are beyond doubt: where not, nothing but the scheme may be shown.
    bool certain = false;
};
/// `url` holds "://".
UrlParts split_url(std::string_view url);

/// Whether a setting or parameter of this name holds a password or a token, in any case.
bool is_secret_name(std::string_view name);
/// Of the parameters in a query, those that say where it leads: "?host=…&port=…", or nothing.
std::string leading_parameters(std::string_view query);

enum class Wording : std::uint8_t {
    value,  ///< One setting or argument, which blanks may be a part of.
    prose,  ///< Sentences that a URL stands in, up to the next blank.
};
/// The text with *** for its passwords: of URLs (in the user, and every parameter that is not known
/// to be harmless) and of libpq's `password=… host=…`, quoted or not. Idempotent.
std::string without_passwords(std::string_view text, Wording wording = Wording::value);

}  // namespace taskstore
