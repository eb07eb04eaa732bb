#include "e2e/random_schema.hpp"

#include <array>
#include <random>
#include <vector>

namespace pgeist::test {
namespace {

/// A kind of column: its type, a value of row i, a default, a type it can be changed to, and what indexes take it.
struct kind {
    const char* type;
    const char* value;
    const char* fallback;
    const char* changed;
    bool ordered = true;
    const char* special = "";  ///< an index of another kind
};

const std::vector<kind> kinds = {
    {"int", "i", "7", "bigint", true, "USING hash ($)"},
    {"smallint", "i % 9", "-1", "numeric(12,3)"},
    {"bigint", "i * 10000000000", "9223372036854775807", "numeric"},
    {"numeric(12,4)", "i / 7.0", "1.50", "numeric(30,6)"},
    {"double precision", "i / 3.0", "'-0'", "numeric"},
    {"real", "i / 3.0", "'NaN'", "double precision"},
    {"text", "'text ' || i", "'it''s \\ %s'", "varchar(200)", true, "USING spgist ($)"},
    {"text COLLATE \"C\"", "'C ' || i", "''", "text COLLATE \"POSIX\"", true, "($ text_pattern_ops)"},
    {"varchar(60)", "'v' || i", "upper('x')", "text"},
    {"char(8)", "'c' || i", "'d'", "char(12)"},
    {"boolean", "i % 2 = 0", "true", "text"},
    {"date", "date '2024-01-01' + i", "'infinity'", "timestamp", true, "USING brin ($) WITH (pages_per_range = 8)"},
    {"timestamptz", "timestamptz '2024-01-01 00:00Z' + i * interval '1 minute'", "'-infinity'", "timestamptz(3)"},
    {"interval", "i * interval '25 hours'", "'24 hours'", "interval second(2)"},
    {"uuid", "md5(i::text)::uuid", "'00000000-0000-0000-0000-000000000001'", "text"},
    {"bytea", "decode(md5(i::text), 'hex')", "'\\x00ff'", "bytea"},
    {"inet", "'10.0.0.0'::inet + i", "'::1'", "text"},
    {"mood", "(ARRAY['sad', 'so so'])[i % 2 + 1]::mood", "'so so'", "text"},
    {"positive", "i", "3", "int"},
    {"jsonb", "jsonb_build_object('n', i / 3.0)", "'[1e5]'", "json", true, "USING gin ($ jsonb_path_ops)"},
    {"json", "json_build_object('a', i)", "'{ \"a\":1, \"a\" : 2}'", "jsonb", false},
    {"int[]", "ARRAY[i, NULL, -i]", "'{{1,2},{3,4}}'", "bigint[]", true, "USING gin ($) WITH (fastupdate = off)"},
    {"int4range", "int4range(i, i + 3)", "'empty'", "int4range", true, "USING gist ($) WITH (fillfactor = 70)"},
    {"point", "point(i, -i)", "'(0,-0)'", "point", false, "USING gist ($)"},
    {"bit varying(20)", "i::bit(9)", "B'101'", "bit varying"},
    {"address", "ROW('s' || i, i)::address", "ROW('it''s', NULL)", "address"},
    {"citext", "'Word ' || i", "'WORD 3'", "text"},
    {"hstore", "hstore('k', i::text)", "'k=>3'", "hstore", false, "USING gin ($)"},
    {"ltree", "('top.n' || i)::ltree", "'top.n3'", "ltree", true, "USING gist ($)"},
    {"xml", "xmlparse(content '<a>' || i || '</a>')", "'<b/>'", "text", false},
};

struct made_column {
    const kind* of;
    std::string name;  ///< quoted
    bool pinned;       ///< something uses it that keeps ALTER from changing its type
};

class maker {
public:
    maker(std::uint64_t seed, int server_major) : random_(seed), server_major_(server_major) {}

    random_schema make() {
        random_schema result;
        add_table();
        add_constraints();
        add_indexes();
        add_features();
        if (server_major_ >= 19) {
            add_what_19_has();
        }
        add_dependents();
        result.setup = setup_;
        const int clauses = 1 + below(2);
        for (int n = 0; n < clauses; ++n) {
            result.alter += (n > 0 ? ", " : "") + clause();
        }
        return result;
    }

private:
    int below(int limit) { return static_cast<int>(random_() % static_cast<std::uint64_t>(limit)); }
    bool one_in(int n) { return below(n) == 0; }
    void run(const std::string& sql) { setup_ += sql + ";\n"; }
    made_column& any() { return columns_[static_cast<std::size_t>(below(static_cast<int>(columns_.size())))]; }

    made_column* any_ordered() {
        for (int attempt = 0; attempt < 10; ++attempt) {
            made_column& found = any();
            if (found.of->ordered) {
                return &found;
            }
        }
        return nullptr;
    }

    std::string new_name() {
        static const std::array<const char*, 8> stems{"Mixed Case", "select", "quo\"\"te", "back\\slash",
                                                      "100% %1$s",  "ünï",    "a,b",       " lead"};
        return "\"" + std::string(stems[static_cast<std::size_t>(below(stems.size()))]) + std::to_string(++names_) +
               "\"";
    }

    void add_table();
    void add_what_19_has();
    void add_constraints();
    void add_indexes();
    void add_features();
    void add_trigger_and_policy();
    void add_dependents();
    std::string clause();
    std::string added_column();

    std::mt19937_64 random_;
    int server_major_;
    int names_ = 0;
    std::string setup_;
    std::string persistence_;
    std::vector<made_column> columns_;
};

void maker::add_table() {
    run("CREATE TYPE mood AS ENUM ('sad', 'so so'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); "
        "CREATE TYPE address AS (street text, number int)");
    const std::string key = one_in(2)   ? "int GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 3)"
                            : one_in(2) ? "serial"
                                        : "bigint";
    std::string text = "gone int, id " + key + (one_in(2) ? " PRIMARY KEY" : " NOT NULL UNIQUE");
    std::string names;
    std::string values;
    const int count = 3 + below(8);
    for (int n = 0; n < count; ++n) {
        const kind& of = kinds[static_cast<std::size_t>(below(static_cast<int>(kinds.size())))];
        const std::string name = new_name();
        text += ", " + name + " " + of.type + (one_in(2) ? std::string(" DEFAULT ") + of.fallback : "") +
                (one_in(3) ? " NOT NULL" : "");
        names += ", " + name;
        values += std::string(", ") + of.value;
        columns_.push_back({&of, name, false});
        if (one_in(5)) {
            text += ", gone" + std::to_string(n) + " text";
        }
    }
    persistence_ = one_in(8) ? "UNLOGGED " : "";
    run("CREATE " + persistence_ + "TABLE t (" + text + ", plain int, note text)" +
        (one_in(3) ? " WITH (fillfactor = 77, toast.autovacuum_enabled = off)" : ""));
    run("ALTER TABLE t DROP COLUMN gone");
    run("INSERT INTO t (id, plain, note" + names + ") OVERRIDING SYSTEM VALUE SELECT i * 3, i, 'note ' || i" + values +
        " FROM generate_series(1, 40) AS i");
    if (one_in(2)) {
        run("ALTER TABLE t ADD COLUMN late text DEFAULT 'late'");
    }
    if (one_in(3)) {
        run("ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (plain * 2) STORED");
    }
    if (server_major_ >= 18 && one_in(3)) {
        run("ALTER TABLE t ADD COLUMN thrice int GENERATED ALWAYS AS (plain * 3) VIRTUAL, ADD CONSTRAINT \"nn %\" NOT "
            "NULL note NO INHERIT");
    }
}

void maker::add_what_19_has() {
    if (one_in(2)) {
        run("ALTER TABLE t ADD COLUMN wide_oid oid8 DEFAULT '18446744073709551615', ADD COLUMN host inet DEFAULT "
            "'10.0.0.1'");
        run("CREATE INDEX hosts ON t USING gist (host)");
    }
    if (one_in(3)) {
        run("ALTER TABLE t ADD CONSTRAINT was_enforced CHECK (plain > 0); ALTER TABLE t ALTER CONSTRAINT was_enforced "
            "NOT "
            "ENFORCED");
    }
    if (one_in(3)) {
        run("ALTER TABLE t ADD COLUMN fourfold int GENERATED ALWAYS AS (plain * 4) VIRTUAL; CREATE STATISTICS "
            "of_virtual "
            "(mcv) ON fourfold, plain FROM t");
    }
}

void maker::add_constraints() {
    if (one_in(2)) {
        run("ALTER TABLE t ADD CONSTRAINT \"once %\" UNIQUE (plain, id)" +
            std::string(one_in(2) ? " DEFERRABLE INITIALLY DEFERRED" : ""));
    }
    if (one_in(2)) {
        run("ALTER TABLE t ADD CONSTRAINT also_once UNIQUE (id, plain) INCLUDE (note)");
    }
    if (one_in(2)) {
        run("CREATE " + persistence_ +
            "TABLE child (t bigint CONSTRAINT child_t REFERENCES t (id) ON DELETE CASCADE); INSERT INTO child VALUES "
            "(3), (6)" +
            std::string(one_in(2) ? "; ALTER TABLE child ADD FOREIGN KEY (t) REFERENCES t (id) NOT VALID" : ""));
    }
    if (one_in(3)) {
        run("ALTER TABLE t ADD COLUMN boss int DEFAULT 3, ADD CONSTRAINT boss FOREIGN KEY (boss) REFERENCES t (id) ON "
            "UPDATE CASCADE DEFERRABLE");
    }
    if (one_in(3)) {
        run("ALTER TABLE t ADD CONSTRAINT \"check\" CHECK (plain > 0), ADD CONSTRAINT later CHECK (plain > 20) NOT "
            "VALID");
    }
    if (one_in(3)) {
        run("ALTER TABLE t ADD CONSTRAINT apart EXCLUDE USING gist (int4range(plain, plain + 1) WITH &&)");
    }
}

void maker::add_indexes() {
    const int count = below(5);
    for (int n = 0; n < count; ++n) {
        const std::string name = new_name();
        const made_column* column = any_ordered();
        if (const made_column& other = any(); one_in(2) && *other.of->special != '\0') {
            std::string text = other.of->special;
            text.replace(text.find('$'), 1, other.name);
            run("CREATE INDEX " + name + " ON t " + text);
        } else if (column != nullptr) {
            run("CREATE " + std::string(one_in(4) ? "UNIQUE " : "") + "INDEX " + name + " ON t (" + column->name +
                (one_in(2) ? " DESC NULLS LAST" : "") + ", id)" + (one_in(3) ? " INCLUDE (note)" : "") +
                (one_in(3) ? " WITH (fillfactor = 66)" : "") + (one_in(3) ? " WHERE plain > 3" : ""));
            if (one_in(3)) {
                run("COMMENT ON INDEX " + name + " IS 'an ''index'''");
            }
        }
    }
    if (one_in(3)) {
        run("CREATE INDEX expressions ON t (lower(note), (plain + 1)); ALTER INDEX expressions ALTER COLUMN 2 SET "
            "STATISTICS 99");
    }
}

void maker::add_trigger_and_policy() {
    if (one_in(3)) {
        run("CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER \"tr %\" "
            "AFTER "
            "UPDATE ON t FOR EACH ROW WHEN (OLD.* *<> NEW.*) EXECUTE FUNCTION tf('\\ ''%''')" +
            std::string(one_in(2) ? "; ALTER TABLE t DISABLE TRIGGER \"tr %\"" : ""));
    }
    if (one_in(3)) {
        made_column& used = any();
        used.pinned = true;
        run("CREATE POLICY \"p %\" ON t TO @role@ USING (" + used.name +
            " IS NOT NULL); ALTER TABLE t ENABLE ROW LEVEL SECURITY; COMMENT ON POLICY \"p %\" ON t IS 'p'");
    }
}

void maker::add_features() {
    add_trigger_and_policy();
    if (one_in(2)) {
        run("GRANT SELECT, INSERT ON t TO @role@ WITH GRANT OPTION; GRANT UPDATE (note) ON t TO PUBLIC");
    }
    if (one_in(3)) {
        run("ALTER TABLE t OWNER TO @role@");
    }
    if (one_in(3)) {
        run("ALTER TABLE t REPLICA IDENTITY FULL");
    }
    if (one_in(3)) {
        run("CREATE STATISTICS st (ndistinct, mcv) ON plain, note FROM t; ALTER STATISTICS st SET STATISTICS 33");
    }
    if (one_in(2)) {
        const made_column& column = any();
        run("COMMENT ON COLUMN t." + column.name + " IS 'c'; ALTER TABLE t ALTER " + column.name + " SET STATISTICS " +
            std::to_string(below(500)));
    }
    if (one_in(3)) {
        run("ALTER TABLE t ALTER note SET STORAGE EXTERNAL, ALTER note SET (n_distinct = -0.3)");
    }
    if (one_in(3)) {
        run("COMMENT ON TABLE t IS 't'; COMMENT ON TYPE t IS 'row'");
    }
}

// Their text shows no operator; whatever the server reads again must find that of before.
void maker::add_dependents() {
    made_column* used = any_ordered();
    if (used == nullptr || one_in(3)) {
        return;
    }
    used->pinned = true;
    const std::string& name = used->name;
    const std::string value = std::string("(") + used->of->fallback + ")::" + used->of->type;
    run("CREATE TABLE mirror AS SELECT " + name + " FROM t");
    if (one_in(2)) {
        run("CREATE VIEW joined AS SELECT plain, " + name + " FROM t JOIN mirror USING (" + name +
            "); CREATE VIEW upper AS SELECT count(*) AS n FROM joined WHERE " + name + " IS NOT DISTINCT FROM " +
            value);
    }
    if (one_in(2)) {
        run("CREATE VIEW named AS SELECT CASE " + name + " WHEN " + value + " THEN - 1::int ELSE plain END AS label, " +
            "NULLIF(" + name + ", " + value + ") AS emptied FROM t");
    }
    if (one_in(2)) {
        run("CREATE MATERIALIZED VIEW stored AS SELECT plain, NULLIF(" + name + ", " + value +
            ") AS emptied FROM t; CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM stored WHERE emptied "
            "IS "
            "DISTINCT FROM " +
            value);
    }
    if (one_in(2)) {
        run("CREATE FUNCTION found() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM t JOIN mirror USING (" +
            name + "); END");
    }
    if (one_in(2)) {
        run("CREATE RULE own AS ON DELETE TO t WHERE OLD." + name + " IS NOT DISTINCT FROM " + value +
            " DO INSTEAD NOTHING; CREATE RULE elsewhere AS ON UPDATE TO mirror WHERE EXISTS (SELECT FROM t JOIN mirror "
            "USING (" +
            name + ")) DO INSTEAD NOTHING");
    }
    if (one_in(2)) {
        run("CREATE POLICY hide ON mirror USING (EXISTS (SELECT FROM t WHERE t." + name +
            " IS NOT DISTINCT FROM mirror." + name + "))");
    }
}

/// Whatever a column brings along: sequences, identity, expressions, domains, constraints, defaults of every kind.
std::string maker::added_column() {
    static const std::array<const char*, 12> kinds_of_its_own{
        "serial",
        "bigserial UNIQUE",
        "smallserial NOT NULL",
        "bigint GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 2)",
        "smallint GENERATED BY DEFAULT AS IDENTITY UNIQUE",
        "int GENERATED ALWAYS AS (plain * 3) STORED",
        "positive DEFAULT 4",
        "text COLLATE \"C\" DEFAULT upper('x')",
        "int REFERENCES t (id)",
        "int DEFAULT 3 CHECK (plain > -1)",
        "uuid DEFAULT '00000000-0000-0000-0000-000000000002' NOT NULL",
        "mood[] DEFAULT '{sad}'"};
    if (one_in(3)) {
        const kind& of = kinds[static_cast<std::size_t>(below(static_cast<int>(kinds.size())))];
        return std::string(of.type) + " DEFAULT " + of.fallback + (one_in(2) ? " NOT NULL" : "");
    }
    return kinds_of_its_own[static_cast<std::size_t>(below(kinds_of_its_own.size()))];
}

std::string maker::clause() {
    const made_column column = any();
    switch (below(12)) {
        case 0:
            return "ALTER COLUMN id TYPE bigint";
        case 1:
            return column.pinned ? "ALTER COLUMN id TYPE numeric" : "DROP COLUMN IF EXISTS " + column.name;
        case 2:
            return "ADD COLUMN " + new_name() + " numeric NOT NULL DEFAULT 1.50";
        case 3:
            return "ALTER COLUMN " + column.name + " SET DEFAULT " + column.of->fallback;
        case 4:
            return "ADD CONSTRAINT " + new_name() + " UNIQUE (note, plain)";
        case 5:
            return "ADD CONSTRAINT " + new_name() + " CHECK (length(note) < 100)";
        case 6:
            return "ALTER COLUMN note SET NOT NULL, ALTER COLUMN plain SET STATISTICS 44";
        case 7:
        case 8:
            return "ADD COLUMN " + new_name() + " " + added_column();
        default:
            return column.pinned ? "ALTER COLUMN note TYPE varchar(300)"
                                 : "ALTER COLUMN " + column.name + " TYPE " + column.of->changed;
    }
}

}  // namespace

random_schema make_random_schema(std::uint64_t seed, int server_major) { return maker(seed, server_major).make(); }

}  // namespace pgeist::test
