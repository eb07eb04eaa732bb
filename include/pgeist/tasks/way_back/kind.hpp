#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/task/kind.hpp"

namespace pgeist::way_back {

/// What the way back of one table, and that of several that go together, have in common. Their phases stand where those
/// of phases() do.
class keeping_back : public task::kind {
public:
    keeping_back(task::labels_of_kind labels, std::vector<task::phase> phases)
        : task::kind(std::move(labels), std::move(phases)) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with, const job::record& job) const override;
    /// Of a job that only keeps a way open there is nothing to take back but that.
    [[nodiscard]] bool is_undone_by_cancel() const override { return false; }
    [[nodiscard]] std::string state_when_ended(const job::record& now, exit_code code) const override;
    [[nodiscard]] std::string describe(const std::string& change) const override;
    [[nodiscard]] pg::session_profile profile_of(const std::string& plan) const override;
    [[nodiscard]] std::string with_profile(const std::string& plan, pg::session_profile profile) const override;
    [[nodiscard]] std::vector<std::string> own_schemas(std::int64_t job) const override;
    [[nodiscard]] std::vector<qualified_name> written_tables(const job::record& job) const override;
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool at_work) const override;
    [[nodiscard]] awaitable<void> tell_effect(pg::pool& pool, const job::record& job,
                                              report::observer& to) const override;
};

/// The table that a rewrite has replaced is kept in step and changes places with the new one again, as often as is
/// wanted. A rewrite hands its job over to this kind when its swap is finished.
[[nodiscard]] const task::kind& kind();

/// Why the tables cannot change places again; nothing when they can, as far as is known without a look at the rows.
[[nodiscard]] std::optional<std::string> why_not(const job::record& job);

}  // namespace pgeist::way_back
