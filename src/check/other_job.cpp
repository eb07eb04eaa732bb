#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

/// Triggers of a job that is not running any more: whether one is, the caller knows by its advisory lock.
awaitable<void> check_other_job(const subject& what, findings& into) {
    std::string last;
    for (const auto& schema : what.source->pgeist_triggers) {
        if (schema == last) {
            continue;
        }
        last = schema;
        const std::size_t begin = std::string("pgeist_").size();
        const std::string job = schema.substr(begin, schema.find('_', begin) - begin);
        if (schema.find('_', begin) != std::string::npos) {
            refuse(into, "other_job",
                   fmt::format("{} can be swapped back by job {}: another change would be the end of that",
                               what.source->name.display(), job),
                   fmt::format("`pgeist revert {0}` swaps it back, `pgeist cleanup {0}` gives the way back up", job));
            continue;
        }
        refuse(into, "other_job",
               fmt::format("{} has triggers of job {}, which did not end", what.source->name.display(), job),
               fmt::format("`pgeist resume {0}` goes on with it, `pgeist cleanup {0}` removes it; where the table is "
                           "expanded, `pgeist contract {0}` ends that",
                           job));
    }
    co_return;
}

}  // namespace pgeist::check
