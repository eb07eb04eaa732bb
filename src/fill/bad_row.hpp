#pragma once

#include <exception>

#include "pgeist/fill/workspace.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::fill {

/// A chunk failed because of its rows: finds the first one that fails, by halving the range with statements that are
/// rolled back, and throws an error that names its key. Rethrows `original` when it cannot be found (it has been
/// changed meanwhile). `session` must be in no transaction.
[[nodiscard]] awaitable<void> throw_bad_row(workspace& work, pg::connection& session, walk::key_range range,
                                            std::exception_ptr original);

}  // namespace pgeist::fill
