import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;

/**
 * Runs the cases of one client and prints a line of JSON for each: what `npm run check:clients` reads. The environment says
 * where the server is; the arguments say which cases, all but the slow ones where there are none.
 */
final class Cases {
    static final String URL = System.getenv("LAYERMESH_URL");
    static final String MODEL = System.getenv("LAYERMESH_MODEL");
    static final String KEY = System.getenv("LAYERMESH_API_KEY");
    /** A key with few requests a minute, and one of another model. */
    static final String LIMITED_KEY = System.getenv("LAYERMESH_LIMITED_KEY");
    static final String OTHER_KEY = System.getenv("LAYERMESH_OTHER_KEY");
    static final String QUESTION = "Why is the sky blue?";

    /** Why a case could not be tried. */
    static final class Skip extends RuntimeException {
        Skip(String reason) {
            super(reason);
        }
    }

    interface Work {
        void run() throws Exception;
    }

    private final Map<String, Work> quick = new LinkedHashMap<>();
    private final Map<String, Work> slow = new LinkedHashMap<>();

    Cases add(String name, Work work) {
        quick.put(name, work);
        return this;
    }

    /** One that wants a server whose steps take 20 seconds. */
    Cases addSlow(String name, Work work) {
        slow.put(name, work);
        return this;
    }

    void run(String client, String version, String... names) {
        System.out.printf("{\"client\":%s,\"version\":%s}%n", quoted(client), quoted(version));
        Map<String, Work> all = new LinkedHashMap<>(quick);
        all.putAll(slow);
        all.forEach((name, work) -> {
            if (names.length == 0 ? quick.containsKey(name) : Arrays.asList(names).contains(name)) runOne(name, work);
        });
        // Idle connections would keep it alive for a minute.
        System.exit(0);
    }

    private static void runOne(String name, Work work) {
        String outcome = "passed";
        String detail = "";
        try {
            work.run();
        } catch (Skip skip) {
            outcome = "skipped";
            detail = skip.getMessage();
        } catch (Throwable error) {
            error.printStackTrace();
            outcome = "failed";
            detail = String.valueOf(error);
        }
        System.out.printf("{\"case\":%s,\"outcome\":%s,\"detail\":%s}%n", quoted(name), quoted(outcome), quoted(detail));
    }

    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    /** The error that the call throws, which has to be of this kind. */
    static <E extends Exception> E fails(Class<E> kind, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (Exception error) {
            if (kind.isInstance(error)) return kind.cast(error);
            throw error;
        }
        throw new AssertionError("no " + kind.getSimpleName());
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        text.chars().limit(500).forEach(unit -> {
            if (unit == '"' || unit == '\\') quoted.append('\\').append((char) unit);
            else if (unit < ' ' || unit > '~') quoted.append(String.format("\\u%04x", unit));
            else quoted.append((char) unit);
        });
        return quoted.append('"').toString();
    }
}
