// How long lint takes for a thousand statements without a connection.

#include <benchmark/benchmark.h>

#include <string>

#include "pgeist/lint/lint.hpp"

namespace pgeist::bench {
namespace {

/// Statements of every kind, for tables that come again and again, as in the history of an application.
std::string migration(int statements) {
    static const char* const kinds[] = {
        "CREATE TABLE t{} (id int PRIMARY KEY, a int, b varchar(20), c numeric(10,2), CONSTRAINT ok CHECK (a > 0));\n",
        "ALTER TABLE t{} ADD COLUMN d timestamptz NOT NULL DEFAULT now(), ADD COLUMN e text;\n",
        "CREATE INDEX CONCURRENTLY t{}_a ON t{} (a, lower(b)) WHERE c > 1;\n",
        "ALTER TABLE t{} ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES t0 (id) NOT VALID;\n",
        "UPDATE t{} SET a = a + 1 WHERE b IN ('x', 'y') AND c BETWEEN 1 AND 2;\n",
        "ALTER TABLE t{} ALTER COLUMN b TYPE varchar(40);\n",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_class) THEN ALTER TABLE t{} ADD COLUMN g int; END IF; END $$;\n",
    };
    std::string text;
    for (int at = 0; at < statements; ++at) {
        std::string one = kinds[at % std::size(kinds)];
        for (std::size_t place = 0; (place = one.find("{}", place)) != std::string::npos;) {
            one.replace(place, 2, std::to_string(at / static_cast<int>(std::size(kinds))));
        }
        text += one;
    }
    return text;
}

void lint_statements(benchmark::State& state) {
    lint::source file;
    file.name = "m.sql";
    file.text = migration(static_cast<int>(state.range(0)));
    const std::vector<lint::source> files{file};
    for (auto _ : state) {
        const auto read = lint::read(files, ddl::transaction_mode::statement);
        benchmark::DoNotOptimize(lint::as_json(lint::check(files, read, {}), {}, 0));
    }
}
BENCHMARK(lint_statements)->Arg(1000)->Arg(4000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pgeist::bench
