#pragma once

#include <exception>
#include <string>

#include "pgeist/transfer/shared/workspace.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::copy {

/// A chunk failed because of its data: finds the first row of `range` that fails, by halving the range with INSERTs
/// that are rolled back, and throws an error that names its key and the values that went into converted columns.
/// Rethrows `original` when the row cannot be found (it has been changed meanwhile). `session` must be in no
/// transaction.
[[nodiscard]] awaitable<void> throw_bad_row(transfer::workspace& work, pg::connection& session, walk::key_range range,
                                            std::exception_ptr original);

/// What to do about a row that does not fit: the hint of such errors.
[[nodiscard]] std::string what_to_do(const pg::sql_error& why);

}  // namespace pgeist::copy
