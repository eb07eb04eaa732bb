#pragma once

#include <vector>

#include "pgeist/lint/ask.hpp"

namespace pgeist::lint {

/// Tries the files that belong together, `first` to before `last`, as one.
[[nodiscard]] awaitable<void> simulate(pg::connection& session, const std::vector<source>& files,
                                       const std::vector<ddl::migration>& migrations, std::size_t first,
                                       std::size_t last, answers& into);

/// The server's settings, and the role's.
[[nodiscard]] awaitable<void> look_around(pg::connection& session, server_facts& into);
/// Who else is at work here.
[[nodiscard]] awaitable<void> look_at_others(pg::connection& session, server_facts& into);

}  // namespace pgeist::lint
