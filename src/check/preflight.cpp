#include "pgeist/check/preflight.hpp"

#include "checks.hpp"

namespace pgeist::check {

namespace {

using check_function = awaitable<void> (*)(const subject&, findings&);

// The order in which findings are reported.
constexpr check_function always[] = {
    check_server_version,         check_table_kind,        check_free_names,
    check_database_rights,        check_long_transactions, check_replica_lag,
    check_all_tables_publication, check_logical_slots,
};

constexpr check_function about_the_table[] = {
    check_usable_key, check_table_rights,     check_given_rights, check_statistics_rights, check_row_security,
    check_other_job,  check_tied_jobs,        check_foreign_keys, check_deferred_checks,   check_publications,
    check_parents,    check_operator_schemas, check_dependents,   check_replication_sets,  check_kept_oids,
};

}  // namespace

void refuse(findings& into, const char* check, std::string message, std::string hint) {
    into.push_back(finding{severity::refuse, check, std::move(message), std::move(hint)});
}

void warn(findings& into, const char* check, std::string message, std::string hint) {
    into.push_back(finding{severity::warn, check, std::move(message), std::move(hint)});
}

awaitable<std::vector<finding>> run_preflight(pg::connection& conn, std::optional<catalog::relation> found,
                                              const catalog::table* source, const plan::change_request& change,
                                              std::int64_t job) {
    subject what(conn, change, job);
    what.found = std::move(found);
    what.source = source;
    findings all;
    for (const auto& run : always) {
        co_await run(what, all);
    }
    if (source == nullptr) {
        co_return all;
    }
    for (const auto& run : about_the_table) {
        co_await run(what, all);
    }
    co_return all;
}

}  // namespace pgeist::check
