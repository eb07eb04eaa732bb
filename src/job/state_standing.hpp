#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// Whose schema `pgeist` is, by the catalogs alone.
struct standing {
    bool present = false;
    std::optional<std::string> stranger;  ///< what is not to be believed, in words
    bool by_owner = false;  ///< it belongs to somebody else; not: others may write there, or have hung something on it
    std::string remedy;
};

/// @param also  a role that is believed besides; 0: none
[[nodiscard]] awaitable<standing> look_at_state(pg::connection& session, std::int64_t also = 0);

/// Whether the tables are as pgeist makes them, of whichever version.
[[nodiscard]] awaitable<bool> is_genuine_state(pg::connection& session);

/// Statements that take away what roles may do that are not believed, as far as it is not the right of UPDATE alone;
/// empty: nothing, or the tables are not the session's to change.
[[nodiscard]] awaitable<std::string> revocations(pg::connection& session);

}  // namespace pgeist::job
