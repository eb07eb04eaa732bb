#pragma once

#include <vector>

#include "pgeist/lint/ask.hpp"

namespace pgeist::lint {

/// Tries the files that belong together, `first` to before `last`, as one.
[[nodiscard]] awaitable<void> simulate(pg::connection& session, const std::vector<source>& files,
                                       const std::vector<ddl::migration>& migrations, std::size_t first,
                                       std::size_t last, answers& into);

/// Who else is at work here, and the server's settings.
[[nodiscard]] awaitable<void> look_around(pg::connection& session, server_facts& into);

}  // namespace pgeist::lint
