#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "coroutine_runner.hpp"
#include "pgeist/lint/ask.hpp"
#include "pgeist/probe/trial.hpp"
#include "support/test_database.hpp"

struct pg_conn;

namespace pgeist::test {

/// What a statement did, as sets that can be compared and printed.
struct deed {
    std::set<std::string> locks;        ///< `app.t: ACCESS EXCLUSIVE`
    std::set<std::string> index_locks;  ///< the same on indexes
    std::set<std::string> rewrites;
    std::set<std::string> scans;
    std::set<std::string> builds;
    std::string sqlstate;  ///< it failed, and the rest is unknown

    [[nodiscard]] std::string text() const;
    friend bool operator==(const deed&, const deed&) = default;
};

inline void PrintTo(const deed& each, std::ostream* to) { *to << each.text(); }

/// The same of a trial.
[[nodiscard]] deed deed_of(const probe::effect& effect);

/// Runs a statement on the real tables, sees what it does, and takes it back. Written without anything of the
/// program's: it counts rows that were read, where the trial counts scans that were begun.
class real_run {
public:
    explicit real_run(const std::string& conninfo);
    ~real_run();
    real_run(const real_run&) = delete;
    real_run& operator=(const real_run&) = delete;

    /// `settings`: SQL before it, in the same transaction.
    deed run(const std::string& settings, const std::string& statement);

private:
    struct seen;
    using table = std::vector<std::vector<std::string>>;
    table rows(const std::string& sql);
    void execute(const std::string& sql);
    seen look();

    pg_conn* connection_;
    std::vector<std::string> messages_;
};

/// A test with a database and a session of the program's.
class probe_test : public database_test, protected coroutine_runner {
protected:
    void SetUp() override;
    void TearDown() override;

    /// A session of the program's as the role.
    void connect_as(const std::string& role);
    void connect_to(const std::string& uri);
    [[nodiscard]] pg::connection& session() { return *session_; }
    probe::trial_answer try_out(const std::string& statement, probe::trial_options options = {});
    /// What lint says of files that are one simulation, when it has asked the server.
    lint::report lint_with_server(const std::vector<std::string>& texts,
                                  ddl::transaction_mode mode = ddl::transaction_mode::automatic);

private:
    std::unique_ptr<pg::connection> session_;
};

}  // namespace pgeist::test
