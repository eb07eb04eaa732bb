#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/conninfo.hpp"
#include "support/sync_connection.hpp"

namespace pgeist::test {

/// The server under test: PGEIST_TEST_DSN, the superuser's address of its database `postgres`; empty when unset.
std::optional<conninfo> server_under_test();

/// True when a missing server is a failure and not a reason to skip (PGEIST_REQUIRE_SERVER=1).
bool server_is_required();

/// A throw-away database of its own, with roles of its own, so that tests can run at the same time.
/// Dropped, with whoever is still connected to it, on destruction.
class test_database {
public:
    /// `encoding`: of a database with locale C; empty: as the server's databases are.
    explicit test_database(conninfo server, const std::string& encoding = "");
    ~test_database();
    test_database(const test_database&) = delete;
    test_database& operator=(const test_database&) = delete;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// The superuser's address of this database.
    [[nodiscard]] conninfo address() const;
    [[nodiscard]] std::string uri() const;

    /// The same for a role made by create_role().
    [[nodiscard]] std::string uri_as(const std::string& role) const;

    /// A superuser's connection, which speaks UTF-8. Its statements end after a minute and a half at the latest: a test
    /// that hangs must say where.
    [[nodiscard]] sync_connection connect() const;
    [[nodiscard]] sync_connection connect_as(const std::string& role) const;

    /// Makes a login role named after the database and `suffix`, dropped with the database; gives its full name.
    std::string create_role(const std::string& suffix, const std::string& attributes = "");

    /// Makes a tablespace named after the database and `suffix`, dropped with the database; gives its full name.
    std::string create_tablespace(const std::string& suffix);

private:
    conninfo server_;
    std::string name_;
    std::vector<std::string> roles_;
    std::vector<std::string> tablespaces_;
};

/// A test with a database. Skips (or fails, see server_is_required) without a server.
class database_test : public ::testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    /// Of the database; empty: the server's own.
    [[nodiscard]] virtual std::string encoding() const { return ""; }

    [[nodiscard]] test_database& db() { return *database_; }

    /// The test's own superuser connection.
    [[nodiscard]] sync_connection& sql() { return *connection_; }

    /// Ends the test's own connection, for tests that count sessions.
    void disconnect() { connection_.reset(); }

private:
    std::unique_ptr<test_database> database_;
    std::unique_ptr<sync_connection> connection_;
};

}  // namespace pgeist::test
