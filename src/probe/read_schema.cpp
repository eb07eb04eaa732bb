#include "pgeist/probe/read_schema.hpp"

#include <algorithm>
#include <set>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/statement.hpp"
#include "pgeist/pg/transaction.hpp"
#include "read_schema_sql.hpp"

namespace pgeist::probe {

namespace {

bool is_ascii(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// Every word that may be a name, also within literals (nextval('s'), the body of a DO block). A database in another
/// encoding may not have the characters of some, and then has no such name either.
std::vector<std::string> names_in_texts(const std::vector<std::string>& texts, bool all_characters) {
    std::set<std::string> names;
    for (const std::string& text : texts) {
        for (const ddl::token& each : ddl::tokens_of(text)) {
            if (each.kind == ddl::token_kind::word || each.kind == ddl::token_kind::quoted) {
                names.insert(each.text);
            } else if (each.kind == ddl::token_kind::string || each.kind == ddl::token_kind::dollar_string) {
                for (const ddl::token& inner : ddl::tokens_of(each.text)) {
                    names.insert(inner.text);
                }
            }
        }
    }
    std::erase_if(names, [&](const std::string& each) { return !all_characters && !is_ascii(each); });
    return {names.begin(), names.end()};
}

class reading_schema {
public:
    reading_schema(pg::connection& session, schema& into) : session_(session), into_(into) {}

    awaitable<void> read(std::string names) {
        co_await session_.execute(
            "SET LOCAL lock_timeout TO '200ms'; SET LOCAL statement_timeout TO '30s'; SET LOCAL quote_all_identifiers "
            "TO "
            "off");
        const auto reached = co_await session_.query(catalog_sql::reach, names);
        std::vector<std::string> oids;
        for (int row = 0; row < reached.rows(); ++row) {
            oids.push_back(reached.text(row, 0));
        }
        const std::string all = pg::array_literal(oids);
        const bool constraints_for_not_null = session_.server_major() >= 18;
        co_await run(catalog_sql::types, all);
        co_await run(catalog_sql::tables(constraints_for_not_null), all);
        co_await run(catalog_sql::parents, all);
        co_await run(catalog_sql::sequences, all);
        co_await run(catalog_sql::constraints, all);
        co_await run(catalog_sql::indexes, all);
        co_await run(catalog_sql::index_parents, all);
        co_await run(catalog_sql::views, all);
        co_await run(catalog_sql::statistics, all);
        co_await read_owned(all);
        co_await read_sizes(all);
    }

    /// Sizes as they are now; where somebody has a table locked, those of the catalogs stay.
    awaitable<void> measure(std::string names) {
        co_await session_.execute("SET LOCAL lock_timeout TO '200ms'; SET LOCAL statement_timeout TO '10s'");
        const auto rows = co_await session_.query(catalog_sql::measured, names);
        for (int row = 0; row < rows.rows(); ++row) {
            const std::string name = name_at(rows, row);
            if (!rows.is_null(row, rows.column("bytes"))) {
                into_.set_bytes(name, rows.integer(row, "bytes"));
            }
        }
    }

private:
    awaitable<void> run(std::string sql, std::string oids) {
        const auto rows = co_await session_.query(std::move(sql), oids);
        for (int row = 0; row < rows.rows(); ++row) {
            into_.apply(ddl::understand(rows.text(row, 0)));
        }
    }

    [[nodiscard]] std::string name_at(const pg::result& rows, int row) const {
        return into_.name_of({rows.text(row, "nspname"), rows.text(row, "relname")});
    }

    awaitable<void> read_owned(std::string oids) {
        const auto rows = co_await session_.query(catalog_sql::owned_sequences, oids);
        for (int row = 0; row < rows.rows(); ++row) {
            const std::string sequence = into_.name_of({rows.text(row, "sequence_schema"), rows.text(row, "sequence")});
            into_.set_sequence(name_at(rows, row), rows.text(row, "attname"), sequence, rows.boolean(row, "identity"));
        }
    }

    awaitable<void> read_sizes(std::string oids) {
        const auto rows = co_await session_.query(catalog_sql::sizes, oids);
        for (int row = 0; row < rows.rows(); ++row) {
            measure_of size;
            size.bytes = rows.integer(row, "bytes");
            size.rows = rows.integer(row, "tuples");
            size.columns = static_cast<int>(rows.integer(row, "columns"));
            size.published = rows.boolean(row, "published");
            size.valid = rows.boolean(row, "valid");
            size.oid = rows.integer(row, "oid");
            into_.set_measure(name_at(rows, row), size);
        }
    }

    pg::connection& session_;
    schema& into_;
};

awaitable<void> measure_again(pg::connection& session, reading_schema& reader, std::string names) {
    const auto measuring = [&] { return reader.measure(names); };
    try {
        co_await pg::rolled_back(session, measuring);
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
    }
}

}  // namespace

awaitable<schema> read_schema(pg::connection& session, std::vector<std::string> texts,
                              std::vector<std::string> search_path) {
    schema made;
    made.set_default_path(std::move(search_path));
    const auto encoding = co_await session.query("SELECT current_setting('server_encoding') = 'UTF8'");
    const std::string names = pg::array_literal(names_in_texts(texts, encoding.boolean(0, 0)));
    reading_schema reader(session, made);
    const auto reading = [&] { return reader.read(names); };
    co_await pg::rolled_back(session, reading);
    co_await measure_again(session, reader, names);
    made.set_complete();
    co_return made;
}

}  // namespace pgeist::probe
