#pragma once

#include <exception>

#include "pgeist/pg/connection.hpp"
#include "register.hpp"

namespace pgeist::concurrently {

/// Why an index could not be built, for people: where rows violate a unique index their keys, ten at most, and how many
/// there are; to be asked before the index is dropped. @returns the failure as it was where there is no more to say
[[nodiscard]] awaitable<std::exception_ptr> explain(pg::connection& session, job::tenure mine, const entry& about,
                                                    std::exception_ptr failure);

}  // namespace pgeist::concurrently
