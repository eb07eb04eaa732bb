#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::swap {

/// Temporary views of other sessions that read the table, made since the plan. Nobody else can lead them to the new
/// table, so the swap waits for them to go, as for somebody who holds a lock.
[[nodiscard]] awaitable<std::vector<report::blocker>> temporary_views(pg::connection& session, std::int64_t table_oid);

/// Thrown under the lock: there are such views after all.
class temporary_views_left : public error {
public:
    explicit temporary_views_left(std::vector<report::blocker> views)
        : error(exit_code::lock_not_obtained, "temporary views read the table"), views_(std::move(views)) {}
    [[nodiscard]] const std::vector<report::blocker>& views() const noexcept { return views_; }

private:
    std::vector<report::blocker> views_;
};

}  // namespace pgeist::swap
