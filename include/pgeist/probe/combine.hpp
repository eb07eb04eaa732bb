#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgeist/probe/static_effects.hpp"

namespace pgeist::probe {

/// What a server has said of a statement.
struct server_answer {
    std::optional<effect> tried;  ///< nothing: the rules answer, by what is in the catalogs
    /// Relations that an earlier statement of the trial had locked already: their locks are those of the rules.
    std::vector<std::string> locked_before;
    std::optional<failure> fails;  ///< of its plain twin, where only that could be tried (CONCURRENTLY)
};

/// What the server has said and what the rules say, made one, with sizes and times; `by_rules` is corrected by it.
/// `before`: what was read of the server, and what the statements since have made of it.
[[nodiscard]] effect combine(const ddl::statement& what, static_answer& by_rules, const server_answer& said,
                             const schema& before);

}  // namespace pgeist::probe
