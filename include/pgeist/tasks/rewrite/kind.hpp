#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pgeist/task/kind.hpp"

namespace pgeist::rewrite {

/// A table is copied into a shadow of the new definition, kept in step, and compared: what all kinds of that have in
/// common. Their phases stand where those of phases() do.
class rewriting : public task::kind {
public:
    rewriting(task::labels_of_kind labels, std::vector<task::phase> phases)
        : task::kind(std::move(labels), std::move(phases)) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with, const job::record& job) const override;
    [[nodiscard]] std::string describe(const std::string& change) const override;
    [[nodiscard]] pg::session_profile profile_of(const std::string& plan) const override;
    [[nodiscard]] std::string with_profile(const std::string& plan, pg::session_profile profile) const override;
    [[nodiscard]] std::vector<std::string> own_schemas(std::int64_t job) const override;
    [[nodiscard]] std::vector<qualified_name> written_tables(const job::record& job) const override;
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool at_work) const override;
    [[nodiscard]] awaitable<void> introduce(pg::pool& pool, const job::record& job, report::observer& to,
                                            std::string server) const override;
    [[nodiscard]] awaitable<void> tell_effect(pg::pool& pool, const job::record& job,
                                              report::observer& to) const override;
};

/// The table is copied into a shadow of the new definition, kept in step, compared, and exchanged.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::rewrite
