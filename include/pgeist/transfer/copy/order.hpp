#pragma once

#include <string>

#include "pgeist/transfer/shared/workspace.hpp"

/// A copy in an order that the user wants: the places of all rows are gathered, in chunks along the file, with the
/// values that say where each belongs; sorted once, without the read side; and rows are copied along the list, by one
/// worker, so that they are written in its order: a chunk of places at a time, whose rows are read as they lie in the
/// file and sorted again. NULLs, directions, many equal values and expressions are the server's
/// ORDER BY's business; no index is needed, nor used.
///
/// The list is as of a moment, and an UPDATE moves a row to another place, whether or not it changes the order: so what
/// holds for the order of the file holds here (walk/heap_order.hpp). A row that nobody has changed since capture began
/// has one place, which is in the list once. One that was changed may be missed (it left its place), or copied twice
/// (it was copied, and then came to a place that became free and stands further on in the list); its key is in the log.
namespace pgeist::copy {

/// Makes the list of places, unless it is there. Locks: ACCESS SHARE on the read side, a chunk at a time.
/// @throws transfer::source_rewritten
[[nodiscard]] awaitable<void> put_in_order(transfer::workspace& work);

/// Tables of put_in_order() that are empty, and its sort of nothing: what a session says against them, it says before
/// anything is copied. To be rolled back.
[[nodiscard]] std::string trial_of_order_sql(const transfer::spec& transfer);

/// Drops the list: when all is copied, or the copy starts again.
[[nodiscard]] std::string forget_order_sql(const transfer::spec& transfer);
[[nodiscard]] awaitable<void> forget_order(transfer::workspace& work);

}  // namespace pgeist::copy
