#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/tasks/rewrite/kind.hpp"

namespace pgeist::group {

/// What a group's exchange and its rehearsal have in common.
class grouping : public rewrite::rewriting {
public:
    grouping(task::labels_of_kind labels, std::vector<task::phase> phases)
        : rewriting(std::move(labels), std::move(phases)) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with, const job::record& job) const override;
    [[nodiscard]] awaitable<void> introduce(pg::pool& pool, const job::record& job, report::observer& to,
                                            std::string server) const override;
    [[nodiscard]] awaitable<void> tell_effect(pg::pool& pool, const job::record& job,
                                              report::observer& to) const override;
};

}  // namespace pgeist::group
