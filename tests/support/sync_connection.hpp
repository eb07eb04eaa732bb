#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

struct pg_conn;
struct pg_result;

namespace pgeist::test {

/// A value as the server prints it; empty for NULL.
using field = std::optional<std::string>;
using row = std::vector<field>;

/// What one statement gave back.
struct result_set {
    std::vector<std::string> columns;
    std::vector<row> rows;
    /// Rows the command changed or returned (the number in its command tag).
    long long affected = 0;
};

/// The server refused a statement, or the connection was lost (then the SQLSTATE is "08006").
class sql_error : public std::runtime_error {
public:
    sql_error(std::string state, const std::string& message);
    [[nodiscard]] const std::string& sqlstate() const noexcept { return sqlstate_; }

private:
    std::string sqlstate_;
};

/// A blocking connection for test code. Independent of the product's client layer on purpose, so that a fault there
/// cannot hide itself. Not thread-safe: one thread per connection.
class sync_connection {
public:
    /// Connects. Throws sql_error when it cannot.
    explicit sync_connection(const std::string& conninfo_text);
    ~sync_connection();
    sync_connection(sync_connection&&) noexcept;
    sync_connection& operator=(sync_connection&&) noexcept;
    sync_connection(const sync_connection&) = delete;
    sync_connection& operator=(const sync_connection&) = delete;

    /// Runs one statement with text parameters. Throws sql_error.
    result_set query(const std::string& sql, const std::vector<field>& params = {});

    /// Runs one or more statements without parameters. Throws sql_error.
    void execute(const std::string& sql);

    /// Prepares a named statement. Throws sql_error.
    void prepare(const std::string& name, const std::string& sql);

    /// Runs a prepared statement. Throws sql_error.
    result_set query_prepared(const std::string& name, const std::vector<field>& params = {});

    /// The single value of a statement that returns one row; throws std::runtime_error on no row, another shape or
    /// NULL.
    std::string scalar(const std::string& sql, const std::vector<field>& params = {});

    /// scalar() as a number.
    long long number(const std::string& sql, const std::vector<field>& params = {});

    /// Runs statements and gives the SQLSTATE they failed with, empty when they succeeded. Never throws sql_error.
    std::string sqlstate_of(const std::string& sql);

    /// Sends a statement and returns without waiting for it: it may be waiting for a lock.
    void send(const std::string& sql);

    /// True while a sent statement has not finished.
    bool busy();

    /// Waits for the statement given to send(). Throws sql_error.
    result_set finish();

    /// Process id of the server's backend.
    [[nodiscard]] int backend_pid() const;

    /// Major version of the server, such as 15.
    [[nodiscard]] int server_major() const;

    /// A name or a value as it must stand in SQL text.
    std::string identifier(const std::string& name);
    std::string literal(const std::string& value);

private:
    [[noreturn]] void fail(const pg_result* result);
    result_set take(pg_result* raw);

    struct closer {
        void operator()(pg_conn* connection) const noexcept;
    };
    std::unique_ptr<pg_conn, closer> connection_;
};

}  // namespace pgeist::test
