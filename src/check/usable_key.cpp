#include <fmt/format.h>

#include "checks.hpp"
#include "pgeist/catalog/walkable.hpp"

namespace pgeist::check {

namespace {

constexpr const char* usable_key_check = "usable_key";

}  // namespace

/// Judges the table as it is; what the change does to the key is judged when the shadow is made.
awaitable<void> check_usable_key(const subject& what, findings& into) {
    const auto& source = *what.source;
    const auto& wanted = what.change.key_index;
    std::vector<std::string> reasons;
    for (const auto& each : source.indexes) {
        if (wanted && each.name != *wanted) {
            continue;
        }
        std::string reason = catalog::not_walkable_reason(source, each);
        if (reason.empty()) {
            reason = co_await catalog::unreliable_reason(what.conn, source, each);
        }
        if (reason.empty()) {
            co_return;
        }
        reasons.push_back(fmt::format("{}: {}", display_identifier(each.name), reason));
    }
    if (wanted && reasons.empty()) {
        refuse(into, usable_key_check,
               fmt::format("{} has no index {}", source.name.display(), display_identifier(*wanted)));
        co_return;
    }
    const std::string why = reasons.empty() ? "it has no index" : join(reasons, "; ");
    refuse(
        into, usable_key_check,
        fmt::format("{} has no key by which its rows can be walked ({})", source.name.display(), why),
        "pgeist needs a primary key, or a unique btree index over NOT NULL columns; CREATE UNIQUE INDEX CONCURRENTLY "
        "makes one without blocking writers");
}

}  // namespace pgeist::check
