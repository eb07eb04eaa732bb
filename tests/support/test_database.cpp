#include "support/test_database.hpp"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

namespace pgeist::test {
namespace {

std::string unique_name() {
    static int counter = 0;
    return "e2e_" + std::to_string(::getpid()) + "_" + std::to_string(++counter);
}

std::string with_limits(const conninfo& address) {
    return address.with("options", "-c statement_timeout=90s")
        .with("application_name", "test")
        .with("client_encoding", "UTF8")
        .uri();
}

}  // namespace

std::optional<conninfo> server_under_test() {
    const char* dsn = std::getenv("PGEIST_TEST_DSN");
    if (dsn == nullptr || *dsn == '\0') {
        return std::nullopt;
    }
    return conninfo::parse(dsn);
}

bool server_is_required() {
    const char* required = std::getenv("PGEIST_REQUIRE_SERVER");
    return required != nullptr && std::strcmp(required, "1") == 0;
}

test_database::test_database(conninfo server, const std::string& encoding)
    : server_(std::move(server)), name_(unique_name()) {
    sync_connection admin(with_limits(server_));
    // template0 accepts no connections, so two tests that start together cannot disturb each other. A database of this
    // name can only be left over from a killed test whose process id came round again.
    admin.execute("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    admin.execute("CREATE DATABASE " + name_ + " TEMPLATE template0" +
                  (encoding.empty() ? "" : " LOCALE 'C' ENCODING '" + encoding + "'"));
}

test_database::~test_database() {
    try {
        sync_connection admin(with_limits(server_));
        admin.execute("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
        for (const std::string& role : roles_) {
            admin.execute("DROP ROLE IF EXISTS " + role);
        }
        for (const std::string& tablespace : tablespaces_) {
            admin.execute("DROP TABLESPACE IF EXISTS " + tablespace);
        }
    } catch (const std::exception& error) {
        std::cerr << "cannot drop the test's database " << name_ << ": " << error.what() << '\n';
    }
}

conninfo test_database::address() const { return server_.with("dbname", name_); }

std::string test_database::uri() const { return address().uri(); }

std::string test_database::uri_as(const std::string& role) const { return address().with("user", role).uri(); }

sync_connection test_database::connect() const { return sync_connection(with_limits(address())); }

sync_connection test_database::connect_as(const std::string& role) const {
    return sync_connection(with_limits(address().with("user", role)));
}

std::string test_database::create_role(const std::string& suffix, const std::string& attributes) {
    std::string role = name_ + "_" + suffix;
    sync_connection admin(with_limits(server_));
    admin.execute("DROP ROLE IF EXISTS " + role);
    admin.execute("CREATE ROLE " + role + " LOGIN " + attributes);
    roles_.push_back(role);
    return role;
}

std::string test_database::create_tablespace(const std::string& suffix) {
    std::string tablespace = name_ + "_" + suffix;
    sync_connection admin(with_limits(server_));
    admin.execute("DROP TABLESPACE IF EXISTS " + tablespace);
    // In the data directory: a test knows no other folder that is the server's.
    admin.execute("SET allow_in_place_tablespaces = on");
    admin.execute("CREATE TABLESPACE " + tablespace + " LOCATION ''");
    tablespaces_.push_back(tablespace);
    return tablespace;
}

void database_test::SetUp() {
    const std::optional<conninfo> server = server_under_test();
    if (!server) {
        if (server_is_required()) {
            FAIL() << "PGEIST_REQUIRE_SERVER=1, and PGEIST_TEST_DSN names no server";
        }
        GTEST_SKIP() << "PGEIST_TEST_DSN names no server";
    }
    database_ = std::make_unique<test_database>(*server, encoding());
    connection_ = std::make_unique<sync_connection>(database_->connect());
}

void database_test::TearDown() {
    connection_.reset();
    database_.reset();
}

}  // namespace pgeist::test
