#pragma once

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/transfer/spec.hpp"

namespace pgeist::rewrite {

/// Makes, for the way back, its schema, log and functions, and the triggers on the table that is to be in use, asleep.
/// `to_be_used`, `to_wait`: both tables where they are now. What an earlier way back has left of it goes first.
/// @throws error (refused) naming the event trigger that is in the way
[[nodiscard]] awaitable<void> make_back_log(pg::connection& session, const transfer::spec& back,
                                            const qualified_name& to_be_used, const qualified_name& to_wait);

}  // namespace pgeist::rewrite
