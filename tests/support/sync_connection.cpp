#include "support/sync_connection.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <utility>

namespace pgeist::test {
namespace {

struct result_deleter {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using result_pointer = std::unique_ptr<PGresult, result_deleter>;

std::vector<const char*> as_pointers(const std::vector<field>& params) {
    std::vector<const char*> pointers;
    pointers.reserve(params.size());
    for (const field& param : params) {
        pointers.push_back(param ? param->c_str() : nullptr);
    }
    return pointers;
}

bool failed(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY;
}

result_set rows_of(PGresult* result) {
    result_set set;
    const int columns = PQnfields(result);
    for (int column = 0; column < columns; ++column) {
        set.columns.emplace_back(PQfname(result, column));
    }
    for (int line = 0; line < PQntuples(result); ++line) {
        row values;
        for (int column = 0; column < columns; ++column) {
            if (PQgetisnull(result, line, column) != 0) {
                values.emplace_back();
            } else {
                values.emplace_back(PQgetvalue(result, line, column));
            }
        }
        set.rows.push_back(std::move(values));
    }
    set.affected = std::strtoll(PQcmdTuples(result), nullptr, 10);
    return set;
}

}  // namespace

sql_error::sql_error(std::string state, const std::string& message)
    : std::runtime_error(message), sqlstate_(std::move(state)) {}

void sync_connection::closer::operator()(pg_conn* connection) const noexcept { PQfinish(connection); }

sync_connection::sync_connection(const std::string& conninfo_text) : connection_(PQconnectdb(conninfo_text.c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
        throw sql_error("08001", PQerrorMessage(connection_.get()));
    }
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
}

sync_connection::~sync_connection() = default;
sync_connection::sync_connection(sync_connection&&) noexcept = default;
sync_connection& sync_connection::operator=(sync_connection&&) noexcept = default;

void sync_connection::fail(const pg_result* result) {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* message = result == nullptr ? PQerrorMessage(connection_.get()) : PQresultErrorMessage(result);
    throw sql_error(state == nullptr ? "08006" : state, message);
}

result_set sync_connection::take(pg_result* raw) {
    const result_pointer result(raw);
    if (failed(result.get())) {
        fail(result.get());
    }
    return rows_of(result.get());
}

result_set sync_connection::query(const std::string& sql, const std::vector<field>& params) {
    const std::vector<const char*> values = as_pointers(params);
    return take(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                             nullptr, nullptr, 0));
}

void sync_connection::execute(const std::string& sql) { take(PQexec(connection_.get(), sql.c_str())); }

void sync_connection::prepare(const std::string& name, const std::string& sql) {
    take(PQprepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr));
}

result_set sync_connection::query_prepared(const std::string& name, const std::vector<field>& params) {
    const std::vector<const char*> values = as_pointers(params);
    return take(PQexecPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()), values.data(), nullptr,
                               nullptr, 0));
}

std::string sync_connection::scalar(const std::string& sql, const std::vector<field>& params) {
    const result_set set = query(sql, params);
    if (set.rows.size() != 1 || set.rows[0].size() != 1 || !set.rows[0][0]) {
        throw std::runtime_error("not one value that is not null: " + sql);
    }
    return *set.rows[0][0];
}

long long sync_connection::number(const std::string& sql, const std::vector<field>& params) {
    return std::stoll(scalar(sql, params));
}

std::string sync_connection::sqlstate_of(const std::string& sql) {
    try {
        execute(sql);
        return {};
    } catch (const sql_error& error) {
        return error.sqlstate();
    }
}

void sync_connection::send(const std::string& sql) {
    if (PQsendQuery(connection_.get(), sql.c_str()) == 0) {
        fail(nullptr);
    }
}

bool sync_connection::busy() {
    if (PQconsumeInput(connection_.get()) == 0) {
        fail(nullptr);
    }
    return PQisBusy(connection_.get()) != 0;
}

result_set sync_connection::finish() {
    // A failed statement of several still has results behind it: read to the end, then report.
    result_pointer last;
    while (PGresult* next = PQgetResult(connection_.get())) {
        if (!last || !failed(last.get())) {
            last.reset(next);
        } else {
            PQclear(next);
        }
    }
    if (!last) {
        fail(nullptr);
    }
    return take(last.release());
}

int sync_connection::backend_pid() const { return PQbackendPID(connection_.get()); }

int sync_connection::server_major() const { return PQserverVersion(connection_.get()) / 10000; }

std::string sync_connection::identifier(const std::string& name) {
    char* quoted = PQescapeIdentifier(connection_.get(), name.data(), name.size());
    if (quoted == nullptr) {
        fail(nullptr);
    }
    std::string text = quoted;
    PQfreemem(quoted);
    return text;
}

std::string sync_connection::literal(const std::string& value) {
    char* quoted = PQescapeLiteral(connection_.get(), value.data(), value.size());
    if (quoted == nullptr) {
        fail(nullptr);
    }
    std::string text = quoted;
    PQfreemem(quoted);
    return text;
}

}  // namespace pgeist::test
