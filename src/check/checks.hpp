#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/check/finding.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/change_request.hpp"

/// The preflight checks, one file each. Every check is given the same subject and adds what it finds.
namespace pgeist::check {

/// What is checked. Lives as long as run_preflight() runs.
struct subject {
    subject(pg::connection& connection, const plan::change_request& request, std::int64_t job_id)
        : conn(connection), change(request), job(job_id) {}

    pg::connection& conn;
    const plan::change_request& change;
    std::int64_t job;
    std::optional<catalog::relation> found;
    const catalog::table* source = nullptr;  ///< set for every check but those of `always`
};

using findings = std::vector<finding>;

/// Adds a finding; `check` is the check's own name.
void refuse(findings& into, const char* check, std::string message, std::string hint = {});
void warn(findings& into, const char* check, std::string message, std::string hint = {});

// Those that need no table, or judge whether there is one.
[[nodiscard]] awaitable<void> check_server_version(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_table_kind(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_free_names(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_database_rights(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_long_transactions(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_replica_lag(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_all_tables_publication(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_logical_slots(const subject& what, findings& into);

// Those about the table that was found.
[[nodiscard]] awaitable<void> check_usable_key(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_table_rights(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_given_rights(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_statistics_rights(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_row_security(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_other_job(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_tied_jobs(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_foreign_keys(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_deferred_checks(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_operator_schemas(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_publications(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_replication_sets(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_parents(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_kept_oids(const subject& what, findings& into);
[[nodiscard]] awaitable<void> check_dependents(const subject& what, findings& into);

}  // namespace pgeist::check
