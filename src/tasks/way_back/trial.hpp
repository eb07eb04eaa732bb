#pragma once

#include "pgeist/target/build_context.hpp"

namespace pgeist::way_back {

/// Tries what the swap makes on the table that comes back, `after`, and what could fail there because others have
/// dropped or changed what it needs: on an empty table beside it, its foreign keys among empty tables that stand for
/// those at their other ends. Nothing of it is left. Locks: ACCESS SHARE.
/// @throws error (refused) that names what fails
[[nodiscard]] awaitable<void> try_attached(target::build_context& at, const catalog::table& after);

}  // namespace pgeist::way_back
