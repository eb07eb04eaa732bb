// docs/methods.md: each clause of ALTER TABLE through the rules and recipes that choose() goes by.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "pgeist/probe/static_effects.hpp"
#include "pgeist/steps/choose.hpp"
#include "pgeist/steps/methods_page.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

struct sample {
    const char* title;
    const char* sql;
    int since = probe::oldest_version;
};

// Tables of any size: t is large, o is what it refers to, p has the partitions p1 and (empty) pd.
constexpr const char* tables[] = {
    "CREATE TABLE o (id int PRIMARY KEY)",
    "CREATE TABLE t (id int PRIMARY KEY, a int, b text, c varchar(20), d int GENERATED ALWAYS AS (id) STORED, o int, "
    "CONSTRAINT ok CHECK (a > 0), CONSTRAINT fk FOREIGN KEY (o) REFERENCES o)",
    "ALTER TABLE t ADD CONSTRAINT new CHECK (a < 1000) NOT VALID",
    "CREATE INDEX i ON t (a)",
    "CREATE UNIQUE INDEX u ON t (b)",
    "CREATE TABLE p (id int, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE TABLE p2 (id int, at date)",
};

const sample clauses[] = {
    {"ADD COLUMN", "ALTER TABLE t ADD COLUMN n int"},
    {"ADD COLUMN … DEFAULT constant [NOT NULL]", "ALTER TABLE t ADD COLUMN n int NOT NULL DEFAULT 0"},
    {"ADD COLUMN … DEFAULT that differs from row to row", "ALTER TABLE t ADD COLUMN n uuid DEFAULT gen_random_uuid()"},
    {"ADD COLUMN … serial, GENERATED AS IDENTITY", "ALTER TABLE t ADD COLUMN n int GENERATED ALWAYS AS IDENTITY"},
    {"ADD COLUMN … GENERATED … STORED", "ALTER TABLE t ADD COLUMN n int GENERATED ALWAYS AS (a + 1) STORED"},
    {"ADD COLUMN … GENERATED … VIRTUAL", "ALTER TABLE t ADD COLUMN n int GENERATED ALWAYS AS (a + 1) VIRTUAL", 18},
    {"ADD COLUMN … CHECK", "ALTER TABLE t ADD COLUMN n int DEFAULT 1 CHECK (n > 0)"},
    {"ADD COLUMN … REFERENCES", "ALTER TABLE t ADD COLUMN n int REFERENCES o"},
    {"ADD COLUMN … UNIQUE", "ALTER TABLE t ADD COLUMN n int UNIQUE"},
    {"DROP COLUMN", "ALTER TABLE t DROP COLUMN c"},
    {"ALTER COLUMN … TYPE, rows stay as they are (varchar(20) to text)", "ALTER TABLE t ALTER COLUMN c TYPE text"},
    {"ALTER COLUMN … TYPE, rows are written anew (int to bigint)", "ALTER TABLE t ALTER COLUMN a TYPE bigint"},
    {"ALTER COLUMN … SET NOT NULL", "ALTER TABLE t ALTER COLUMN b SET NOT NULL"},
    {"ALTER COLUMN … DROP NOT NULL", "ALTER TABLE t ALTER COLUMN b DROP NOT NULL"},
    {"ALTER COLUMN … SET DEFAULT, DROP DEFAULT", "ALTER TABLE t ALTER COLUMN a SET DEFAULT 5"},
    {"ALTER COLUMN … SET EXPRESSION", "ALTER TABLE t ALTER COLUMN d SET EXPRESSION AS (id + 1)", 17},
    {"ALTER COLUMN … DROP EXPRESSION", "ALTER TABLE t ALTER COLUMN d DROP EXPRESSION"},
    {"ALTER COLUMN … ADD GENERATED AS IDENTITY", "ALTER TABLE t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY"},
    {"ALTER COLUMN … SET STATISTICS, SET (…)", "ALTER TABLE t ALTER COLUMN a SET STATISTICS 500"},
    {"ALTER COLUMN … SET STORAGE, SET COMPRESSION", "ALTER TABLE t ALTER COLUMN b SET STORAGE EXTERNAL"},
    {"ADD CHECK", "ALTER TABLE t ADD CONSTRAINT n CHECK (a < 100)"},
    {"ADD CHECK … NOT VALID", "ALTER TABLE t ADD CONSTRAINT n CHECK (a < 100) NOT VALID"},
    {"ADD NOT NULL … NOT VALID", "ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID", 18},
    {"ADD FOREIGN KEY", "ALTER TABLE t ADD CONSTRAINT n FOREIGN KEY (a) REFERENCES o"},
    {"ADD UNIQUE", "ALTER TABLE t ADD CONSTRAINT n UNIQUE (a)"},
    {"ADD PRIMARY KEY", "ALTER TABLE p2 ADD CONSTRAINT n PRIMARY KEY (id)"},
    {"ADD UNIQUE USING INDEX", "ALTER TABLE t ADD CONSTRAINT n UNIQUE USING INDEX u"},
    {"ADD EXCLUDE", "ALTER TABLE t ADD CONSTRAINT n EXCLUDE USING btree (a WITH =)"},
    {"VALIDATE CONSTRAINT", "ALTER TABLE t VALIDATE CONSTRAINT new"},
    {"ALTER CONSTRAINT", "ALTER TABLE t ALTER CONSTRAINT fk DEFERRABLE"},
    {"DROP CONSTRAINT", "ALTER TABLE t DROP CONSTRAINT fk"},
    {"RENAME COLUMN, RENAME CONSTRAINT, RENAME TO", "ALTER TABLE t RENAME COLUMN a TO n"},
    {"SET SCHEMA", "ALTER TABLE t SET SCHEMA elsewhere"},
    {"OWNER TO", "ALTER TABLE t OWNER TO somebody"},
    {"ENABLE, DISABLE TRIGGER", "ALTER TABLE t DISABLE TRIGGER USER"},
    {"ENABLE, DISABLE ROW LEVEL SECURITY", "ALTER TABLE t ENABLE ROW LEVEL SECURITY"},
    {"REPLICA IDENTITY", "ALTER TABLE t REPLICA IDENTITY FULL"},
    {"CLUSTER ON, SET WITHOUT CLUSTER", "ALTER TABLE t CLUSTER ON i"},
    {"SET (…), RESET (…)", "ALTER TABLE t SET (fillfactor = 80)"},
    {"SET TABLESPACE", "ALTER TABLE t SET TABLESPACE elsewhere"},
    {"SET ACCESS METHOD", "ALTER TABLE t SET ACCESS METHOD other", 15},
    {"INHERIT, NO INHERIT", "ALTER TABLE t NO INHERIT o"},
    {"ATTACH PARTITION", "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"},
    {"DETACH PARTITION", "ALTER TABLE p DETACH PARTITION p1"},
    {"DETACH PARTITION … CONCURRENTLY", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"},
};

const sample others[] = {
    {"CREATE INDEX", "CREATE INDEX n ON t (a)"},
    {"CREATE INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY n ON t (a)"},
    {"DROP INDEX", "DROP INDEX i"},
    {"DROP INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY i"},
    {"REINDEX INDEX", "REINDEX INDEX i"},
    {"REINDEX INDEX CONCURRENTLY", "REINDEX INDEX CONCURRENTLY i"},
    {"ALTER INDEX … RENAME TO", "ALTER INDEX i RENAME TO n"},
    {"DROP TABLE", "DROP TABLE t"},
    {"CREATE TRIGGER", "CREATE TRIGGER n BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()"},
    {"COMMENT ON COLUMN", "COMMENT ON COLUMN t.a IS 'x'"},
};

/// The tables as they are when somebody else has made and filled them.
probe::schema large_tables() {
    probe::schema made;
    made.begin_file();
    for (const char* each : tables) {
        made.apply(ddl::understand(each));
    }
    made.begin_file();
    made.set_complete();
    constexpr std::int64_t bytes = 100'000'000'000;
    constexpr std::int64_t rows = 1'000'000'000;
    for (const char* each : {"public.o", "public.t", "public.p1", "public.p2"}) {
        probe::measure_of size;
        size.bytes = bytes;
        size.rows = rows;
        made.set_measure(each, size);
    }
    made.set_bytes("public.i", bytes / 5);
    made.set_bytes("public.u", bytes / 5);
    return made;
}

/// What is done by one version.
struct answer {
    std::string work;
    std::string way;
    friend bool operator==(const answer&, const answer&) = default;
};

std::string listed(const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& each : all) {
        text += (text.empty() ? "" : ", ") + each;
    }
    return text;
}

std::string name_of(const std::string& relation) {
    return relation.starts_with("public.") ? relation.substr(sizeof("public.") - 1) : relation;
}

std::string work_of(const probe::effect& does) {
    std::vector<std::string> all;
    for (const probe::relation_lock& each : does.locks) {
        if (each.mode > probe::lock_mode::row_exclusive && each.kind != probe::relation_kind::type &&
            each.kind != probe::relation_kind::index) {
            all.push_back(fmt::format("{} on {}", probe::words_of(each.mode), name_of(each.relation)));
        }
    }
    if (all.empty()) {
        all.emplace_back("no lock that others notice");
    }
    const std::pair<const char*, const std::vector<std::string>&> work[] = {
        {"rewrites", does.rewrites}, {"reads all of", does.scans}, {"builds", does.builds}};
    for (const auto& [what, names] : work) {
        for (const std::string& each : names) {
            all.push_back(fmt::format("{} {}", what, name_of(each)));
        }
    }
    return listed(all);
}

std::string actions_of(const recipe& made) {
    std::string text;
    for (const action& each : made.actions) {
        text += (text.empty() ? "" : ", then ") + each.label;
    }
    return text;
}

/// What gentle() does; of what it asks a server about, the form.
std::optional<recipe> gentle_in_form(const part& of, const facts& known) {
    const bool attaches = of.what.kind == ddl::statement_kind::alter_table && of.what.clauses.size() == 1 &&
                          of.what.clauses.front().kind == ddl::clause_kind::attach_partition;
    if (attaches) {
        partition_proof by;
        by.condition = "as the bound says";
        return attached(of, of.what.clauses.front(), by);
    }
    return gentle_by_rules(of, known);
}

std::string way_of(const part& of, const facts& known) {
    const auto described = [](const recipe& by) {
        return fmt::format("**{}**: {} ({})", word_of(by.how), by.why, actions_of(by));
    };
    const bool itself = of.does.transaction != probe::transaction_need::any;
    if (itself || !of.does.works() || !keeps_waiting(of)) {
        if (of.what.kind == ddl::statement_kind::create_index && itself) {
            if (const auto by = gentle_in_form(of, known)) {
                return described(*by);
            }
        }
        return described(plain(of));
    }
    if (const auto by = gentle_in_form(of, known)) {
        return described(*by);
    }
    return can_be_copied(of.what) ? "**copy**: others would wait for its work, and there is no other way"
                                  : "within `--max-block` or not at all: others would wait for its work";
}

answer answer_for(const sample& what, int version) {
    static const probe::schema large = large_tables();
    part of;
    of.what = ddl::understand(what.sql);
    of.before = large;
    facts known;
    known.before = of.before;
    known.version.major = version;
    of.by_rules = probe::static_effect(of.what, of.before, known.version);
    of.does = of.by_rules.whole;
    return {work_of(of.does), way_of(of, known)};
}

/// `14 to 17`; empty where it is so in all.
std::string versions(int first, int last) {
    if (first == probe::oldest_version && last == probe::newest_version) {
        return "";
    }
    return first == last ? fmt::format("{}: ", first) : fmt::format("{} to {}: ", first, last);
}

std::string row_of(const sample& what) {
    std::string work;
    std::string way;
    int first = what.since;
    answer now = answer_for(what, first);
    const auto add = [&](std::string& into, const std::string& text, int last) {
        into += (into.empty() ? "" : "<br>") + versions(first, last) + text;
    };
    for (int version = first + 1; version <= probe::newest_version + 1; ++version) {
        const bool over = version > probe::newest_version;
        const answer next = over ? answer() : answer_for(what, version);
        if (over || !(next == now)) {
            add(work, now.work, version - 1);
            add(way, now.way, version - 1);
            first = version;
            now = next;
        }
    }
    return fmt::format("| {} | {} | {} |\n", what.title, work, way);
}

}  // namespace

std::string methods_page() {
    std::string page =
        "# What pgeist does with each clause\n\n"
        "<!-- made by: pgeist --print methods -->\n\n"
        "By PostgreSQL's rules, for a table that is so large that nobody may wait for what is done to all of it. On a "
        "server\npgeist does not go by this list alone: it tries the statement there, on empty stand-ins, and looks at "
        "sizes. What takes\nless than `--max-block` (500ms) is done as it is written, by a server that ends it then; "
        "only "
        "if that was too short the way\nbelow is taken. `pgeist plan` says which way each part of a change goes, and "
        "why.\n\n"
        "- **native**: the statement itself, under locks that are asked for as those of a swap.\n"
        "- **validate**: a constraint is added for new rows, and then proven for those that are there, while others "
        "read "
        "and write.\n"
        "- **concurrently**: what the server does in several transactions, between which others work.\n"
        "- **copy**: a shadow table, as `--method copy` makes it.\n\n"
        "Where one clause of an ALTER TABLE needs the copy, the others are done with it. A CHECK, foreign key, UNIQUE "
        "or PRIMARY KEY\nthat comes in the place of one that the same ALTER TABLE drops, under its name, is validated "
        "or built under another one\nwhile the old one holds (UNIQUE and PRIMARY KEY of a partitioned table: by a "
        "copy).\n\n";
    const char* head =
        "| clause | as PostgreSQL does it | as pgeist does it, where the table is large |\n|---|---|---|\n";
    page += std::string("## ALTER TABLE\n\n") + head;
    for (const sample& each : clauses) {
        page += row_of(each);
    }
    page += std::string("\n## Other statements\n\n") + head;
    for (const sample& each : others) {
        page += row_of(each);
    }
    return page;
}

}  // namespace pgeist::steps
