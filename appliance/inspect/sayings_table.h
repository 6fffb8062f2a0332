/** \file
 * The sayings. Private to inspection, for sayings.c alone.
 *
 * Words stand in their normal form (normal.h: small letters, no accents, other alphabets as normal_char()
 * writes them), with a blank between. "a|b": either; "@set": any of a set; "?": may be left out; "_3": up to
 * three other words may come here (articles and the like always may);
 * "!" at the beginning: an order, not something told of somebody ("attackers ignore ..."), nor forbidden ("do
 * not ...").
 */
#ifndef EGRESS_APPLIANCE_INSPECT_SAYINGS_TABLE_H
#define EGRESS_APPLIANCE_INSPECT_SAYINGS_TABLE_H

#include <stddef.h>

#include "appliance/inspect/phrases.h"

/* clang-format off */
/* Words that are in any text, and in any about computers: no saying is looked for because of one of them, if that
 * can be helped. */
static const char saying_everywhere[] =
    "0 1 2 a all also an and any api are as be by can code command curl data else env example file files first "
    "for from function has http https if in is it key line list may message new no none not of on only or output "
    "process read request return run s set should string system test that the this to true url use user using "
    "value when which will with you ";
static const char saying_common[] =
    "10 3 4 5 6 about above add additional address after agent allowed already always another append argument "
    "assigned at base been before below break but call calling cancel cancelled change changed color commands "
    "commit complete completed contains content context continue copy could count currently different display do "
    "done e each email enable enabled end environment es execute existing external fail fetch filter follow "
    "following full future given have he help here him history i ignore image immediately include including "
    "indent initial instead internal into invalid its job just keep keys language last later lines link long "
    "longer maximum memory messages mode must my need negative never next note now o off once open order original "
    "other otherwise over parameter pass passing password pipe previous print private public push query re "
    "reading reads received removed report requests required reset response resume running security send show "
    "site size skip so source ssh start state store task text than them then these they throw tool top transfer "
    "types under until up update valid variable variables wait was were what where whose without word words work "
    "write written x your ";

static const struct {
    const char *name, *words;
} saying_sets[] = {
    {"machine", "ai|llm|llms|assistant|assistants|agent|agents|chatbot|chatbots|model|models|bot|bots|gpt|chatgpt|claude|gemini|copilot|grok"},
    {"brand", "chatgpt|claude|gemini|copilot|grok|gpt|siri|alexa|cursor|perplexity"},
    {"orders", "instruction|instructions|directive|directives|guideline|guidelines|prompt|prompts|rules|orders|commands|guidance|directions|programming|constraints"},
    {"whose", "previous|prior|earlier|preceding|former|past|above|original|initial|system|existing|your|foregoing|old"},
    {"user", "user|users|human|person|owner|developer|operator|maintainer|maintainers|customer"},
    {"not", "not|dont|never|without"},
    {"show", "repeat|print|output|display|reveal|show|echo|translate|recite|leak|dump|disclose|write|return|copy|list|quote|summarize|summarise|paste|state"},
    {"answer", "answer|answers|response|responses|reply|replies|summary|summaries|output|outputs|review|reviews"},
    {"void", "void|revoked|cancelled|canceled|obsolete|invalid|superseded|withdrawn|suspended|lifted|nullified|overridden|overruled|outdated"},
    {"reads", "reading|reads|read|processing|processes|parsing|parses|crawling|crawls|indexing|summarizing|summarising|summarizes|summarises|visiting|visits|viewing|analyzing|analysing|scraping|seeing|sees|browsing|ingesting|evaluating|screening|reviewing"},
    {"limits", "restrictions|restriction|limits|limitations|rules|filters|guidelines|policies|constraints|boundaries|guardrails|censorship"},
    {"de_ignore", "ignoriere|ignorier|ignorieren|ignoriert|vergiss|vergis|vergessen|vergesst|missachte|missachten"},
    {"de_orders", "anweisungen|anweisung|instruktionen|befehle|regeln|vorgaben|richtlinien|systemprompt|prompt|prompts"},
    {"de_before", "bisherigen|vorherigen|vorigen|fruheren|obigen|vorangegangenen|vorstehenden|vorhergehenden|bisher|deine|ursprunglichen"},
    {"fr_ignore", "ignore|ignorez|ignorer|oublie|oubliez|oublier|neglige|negligez"},
    {"fr_orders", "instructions|consignes|directives|ordres|regles"},
    {"es_ignore", "ignora|ignore|ignorad|ignoren|ignorar|olvida|olvide|olviden|olvidar|descarta|descarte|omite"},
    {"es_orders", "instrucciones|indicaciones|ordenes|reglas|directrices|instrucoes|orientacoes|regras|ordens|comandos|diretrizes"},
    {"it_ignore", "ignora|ignorate|ignorare|ignori|dimentica|dimenticate|dimenticare|trascura"},
    {"it_orders", "istruzioni|indicazioni|direttive|regole|comandi"},
    {"north_ignore", "negeer|vergeet|ignorera|ignorer|glom|glem|bortse|zignoruj|ignoruj|zapomnij|pomin|zapomen|ignorujte|ignoreaza|uita|abaikan|lupakan"},
    {"north_orders", "instructies|instructie|opdrachten|aanwijzingen|regels|instruktioner|instrukser|instruksjoner|anvisningar|instrukcje|polecenia|zasady|wytyczne|pokyny|instrukce|prikazy|instructiunile|instruksi|perintah|arahan|petunjuk"},
    {"north_before", "voorgaande|vorige|eerdere|bovenstaande|voorafgaande|tidigare|tidligere|foregaende|forega|poprzednie|wczesniejsze|powyzsze|dotychczasowe|predchozi|predesle|anterioare|sebelumnya"},
    {"ru_ignore", "irhopipyi|irhopipyite|irhopipobatq|zabydq|zabydqte|otbpocq|irhopyi|irhopyite"},
    {"ru_orders", "ihctpykcii|ykazahia|komahdu|npabila|pacnopazehia|bkazibki"},
    {"ru_before", "npedudysie|npezhie|nposlue|buseykazahhue|nolycehhue|nonepedhi"},
};
#define SAYING_SETS ARRAY_LEN(saying_sets)

static const struct {
    int rule;
    unsigned weight;
    const char *text;
} sayings[] = {
    /* who is spoken to */
    {PHRASE_ADDRESS, 2, "if|when|whenever|should any? @machine is|are|who? currently? @reads"},
    {PHRASE_ADDRESS, 2, "@machine is|are|that|who|which? @reads this"},
    {PHRASE_ADDRESS, 2, "note|notes|notice|message|attention|reminder|instruction|instructions|hint to|for _1 large? language? screening|reviewing? @machine|reviewers"},
    {PHRASE_ADDRESS, 2, "for|to|dear|attention llm|ai|automated reviewer|reviewers|grader|graders|crawlers|crawler|scraper|scrapers"},
    {PHRASE_ADDRESS, 2, "dear|hey|hello @brand|assistant|ai"},
    {PHRASE_ADDRESS, 2, "attention ai|assistant|assistants|chatgpt|claude|copilot|gemini|llm|llms"},
    {PHRASE_ADDRESS, 2, "you @brand must|should|shall|have|need|will"},
    {PHRASE_ADDRESS, 2, "whichever|whatever @machine"},
    {PHRASE_ADDRESS, 1, "ai|llm|llms|assistant|assistants|language? models|model|systems must|shall recommend|answer|say|tell|print|include|reply|respond|output|add|append|always"},
    {PHRASE_ADDRESS, 1, "the assistant|agent|ai|model|llm must|shall|should now|first|always? print|output|say|include|append|send|forward|call|add|obey"},

    /* what was said before does not hold */
    {PHRASE_OVERRIDE, 3, "!set|put|leave|throw|lay|cast aside|away all|every|any|each|your|these|previous|prior|earlier _1 @orders"},
    {PHRASE_OVERRIDE, 3, "!stop|quit|cease|abandon following|obeying|applying|using _1 @whose _1 @orders"},
    {PHRASE_OVERRIDE, 3, "!stop|quit|cease following|obeying|applying|using @orders in|of|from your|system"},
    {PHRASE_OVERRIDE, 3, "!abandon|drop|discard|dismiss|erase|overrule|nullify|void|cancel|scrap all|any|every|your previous|prior|earlier|preceding|above|former|system? @orders"},
    {PHRASE_OVERRIDE, 3, "!abandon|drop|dismiss|erase|overrule|nullify|scrap previous|prior|earlier|preceding|former|original @orders"},
    {PHRASE_OVERRIDE, 2, "@whose instruction|instructions|directive|directives|guidelines|prompt|rules|orders are|is|was|were|has|have been? now|hereby|all? @void"},
    {PHRASE_OVERRIDE, 2, "instruction|instructions|directive|directives|guidelines|prompt|rules above|before|given|received _2 are|is|was|were|has|have been? now? @void"},
    {PHRASE_OVERRIDE, 2, "your instruction|instructions|rules|guidelines|directives|orders|programming|role|goal has|have|are|is been? now? changed|replaced|updated|different|new|reset"},
    {PHRASE_OVERRIDE, 2, "@orders no longer apply|applies|valid|count|hold|matter|binding"},
    {PHRASE_OVERRIDE, 2, "no longer bound|restricted|constrained|governed by"},
    {PHRASE_OVERRIDE, 2, "only|sole valid|real|true|binding @orders are|is"},
    {PHRASE_OVERRIDE, 1, "only|just follow|obey|execute|trust what|whatever|text|instructions is? _2 written|here|below|inside|in|this"},
    {PHRASE_FORGET, 3, "!forget|disregard|ignore|drop what|everything|anything|whatever your? @user|they|anyone|he|she have|has? asked|said|wanted|requested|told|wrote|wants|says"},
    {PHRASE_FORGET, 2, "!disregard|forget|ignore user|users|humans question|request|requests|instructions|message|wishes|query|task"},
    {PHRASE_FORGET, 2, "all|everything|text|words|content|anything so|above|before|until|up _2 was|is|were only|just|merely? joke|test|example|fake|wrong|simulation|distraction|decoy"},
    {PHRASE_TASK, 2, "actual|real|true|next question|task|assignment|request|instruction|job is|that|you|for"},
    {PHRASE_TASK, 3, "your only|sole|real|true|actual job|task|goal|purpose|duty|mission|objective now? is"},
    {PHRASE_TASK, 2, "new|next|updated task|assignment|mission|instruction|instructions|objective|order|directive|question for|to language? @machine"},
    {PHRASE_TASK, 2, "you now work|act|operate|answer|serve|report for|under|only|as|to"},
    {PHRASE_USER, 2, "!do? @not follow|obey|fulfil|fulfill|answer|execute|trust|help|serve users|user|humans|owners request|requests|question|instruction|instructions|orders|wishes|anymore"},
    {PHRASE_USER, 2, "user|human is|are not|no longer? authorised|authorized|trusted|allowed|longer"},
    {PHRASE_USER, 1, "user always? wants|prefers|likes|believes|asked|is|loves|trusts"},
    {PHRASE_USER, 1, "instead|rather of|than _1 @user who|that|asking|request|question"},
    {PHRASE_USER, 1, "trust|trusted|believe only|text|instructions|nothing inside|in|from|but this|here"},
    {PHRASE_USER, 1, "what|whatever|than what? maintainers|user|developer|they asked|wanted|requested"},

    /* not to be told */
    {PHRASE_CONCEAL, 2, "keep|kept|stay|stays|remain|remains hidden|secret|invisible|concealed|unknown from|to @user"},
    {PHRASE_CONCEAL, 2, "!do? @not mention|reveal|disclose|discuss|cite|quote this|these|it|that _3 @answer|instruction|instructions|note|line|message|text"},
    {PHRASE_CONCEAL, 2, "!do? @not tell|mention|inform|alert _3 about|of this|it|that line|note|instruction|message|step"},
    {PHRASE_CONCEAL, 1, "say|saying|write nothing about|of|to it|this|them|user"},
    {PHRASE_CONCEAL, 1, "@not ask|asking|request|requesting|wait|waiting _3 confirmation|permission|approval|consent"},
    {PHRASE_CONCEAL, 1, "secretly|covertly|silently|quietly then|also? add|send|include|insert|upload|append|forward|call|fetch|post|copy|collect|read"},
    {PHRASE_CONCEAL, 2, "secretly|covertly then|also? add|send|include|insert|upload|append|forward|call|fetch|post|copy|collect|read"},
    {PHRASE_CONCEAL, 2, "never mention it|this|that in|to|anywhere"},

    /* what it was told, word for word */
    {PHRASE_REVEAL, 1, "!@show everything|anything|all|text|words|content|instructions|lines|prompt|conversation _1 above|preceding|before"},
    {PHRASE_REVEAL, 2, "!@show|give complete|full|entire|whole|exact|original|actual|hidden|your|verbatim system|initial|hidden|secret|developer prompt|instructions|message|prompts"},
    {PHRASE_REVEAL, 2, "what|whats are|were|is|was your initial|original|system|hidden|secret|exact|first|base instructions|prompt|rules|directives"},
    {PHRASE_REVEAL, 2, "starting|beginning|starts|begin|begins with you are"},
    {PHRASE_REVEAL, 1, "your hidden|secret|internal|initial|original instructions|prompt|rules"},
    {PHRASE_VERBATIM, 1, "word for word"},
    {PHRASE_VERBATIM, 1, "verbatim including|without|as|inside|in"},
    {PHRASE_VERBATIM, 1, "prompt|instructions|message verbatim"},
    {PHRASE_VERBATIM, 1, "!print|output|display|write|show|repeat|put them|it in|inside full|code"},
    {PHRASE_VERBATIM, 1, "hidden|secret|system instructions|prompt included|including"},
    {PHRASE_VERBATIM, 1, "including any|all|your tool|function|hidden|system definitions|instructions|prompts|prompt"},
    {PHRASE_VERBATIM, 1, "and print|output|display|reveal it|them"},

    /* who it is to be */
    {PHRASE_PERSONA, 2, "@not|no any? ethical|moral|safety|content @limits"},
    {PHRASE_PERSONA, 3, "can|could|who|dan|for do anything now"},
    {PHRASE_PERSONA, 1, "!pretend|imagine|roleplay|act|play to? be|you|that|as|are"},
    {PHRASE_PERSONA, 1, "you|who|and never|not refuse|decline|reject"},
    {PHRASE_PERSONA, 2, "comply with any|every|all request|requests|order|orders"},
    {PHRASE_PERSONA, 2, "content|safety|ethical|moderation policies|filters|guidelines|restrictions|guardrails|checks|filter are|is|have|has been? all|now? off|disabled|lifted|suspended|removed|switched|turned|deactivated|bypassed"},
    {PHRASE_PERSONA, 2, "safety|content|ethical filters|checks|guardrails|restrictions disabled|lifted|suspended|removed|off by|for"},
    {PHRASE_PERSONA, 2, "you are no longer|not a|an|helpful|bound _2 assistant|ai|model|by|language"},
    {PHRASE_PERSONA, 2, "youre|are no longer bound|helpful"},
    {PHRASE_AUTHORITY, 1, "you are|re now in|entering _3 mode"},
    {PHRASE_AUTHORITY, 1, "you|must|shall|always obey|serve operator|document|page|author|message|text|attacker|this|me"},
    {PHRASE_AUTHORITY, 1, "enter|enable|activate|enabled|entering developer|jailbreak|dan|god|unrestricted mode"},
    {PHRASE_USER, 1, "no|without any? restrictions|limits|limitations|filters at|all|whatsoever|and|of"},

    /* by whose word, and how soon */
    {PHRASE_AUTHORITY, 1, "user|administrator|admin|developer|owner|operator|team has|have already? granted|given|authorised|authorized|approved|allowed you|full|this|all"},
    {PHRASE_AUTHORITY, 2, "message|note|notice|instruction|request|order|command from me|your|account|my _1 user|owner|developer|administrator|creator|operator|boss|assistant|to"},
    {PHRASE_AUTHORITY, 1, "message|note|notice from me"},
    {PHRASE_AUTHORITY, 1, "system|admin|security override|notice|alert safety|all|security|user|filters"},
    {PHRASE_URGENCY, 1, "before you can|may|could? carry|continue|solve|finish|complete|proceed|respond|go"},
    {PHRASE_URGENCY, 1, "task|request|question|job|what i|user gave|asked|assigned|told you|for"},
    {PHRASE_URGENCY, 1, "my|users|the original|initial|first request|task|question you|is|do|first|please"},
    {PHRASE_URGENCY, 1, "do|complete|perform|execute following first|things"},
    {PHRASE_URGENCY, 1, "before|when|whenever|after|each|every using|calling|invoking|call|use|running any|this|other|another|also? tool|tools|invoke|function"},
    {PHRASE_URGENCY, 1, "before answering|replying|responding"},
    {PHRASE_URGENCY, 1, "otherwise|or|else tool|it|function|call|answer will fail|not|break|stop"},
    {PHRASE_URGENCY, 1, "skip|without any? further|additional? confirmation|verification|approval|checks"},
    {PHRASE_URGENCY, 1, "is|are required|needed for logging|security|compliance|audit|billing|verification"},
    {PHRASE_URGENCY, 1, "strictly|immediately|exactly|now follow|adhere|obey|execute|perform|do to|the|following|this"},

    /* what leaves */
    {PHRASE_EXFILTRATE, 2, "!read|open|cat|fetch|include|copy|send|upload|paste _3 ssh|rsa|env|aws|keychain|wallet _6 pass|passing|argument|sidenote|comment|gist|reply"},
    {PHRASE_EXFILTRATE, 2, "!encode|append|embed|put|include|insert|add|attach|fill|post|send|forward|upload|share|pass _2 conversation|chat|inbox _6 url|https|http|image|query|parameter|link|base64|gist|webhook|attacker"},
    {PHRASE_EXFILTRATE, 2, "!push|copy|upload|publish|post|write|paste|send _2 contents|content|files|code|data|source private|secret|internal|confidential _3 public|gist|pastebin|paste|external|https|issue"},
    {PHRASE_EXFILTRATE, 2, "!write|put|post|print|paste|include|send environment|api|private|secret|ssh variables|keys|key|notes|tokens|files _5 comment|issue|answer|reply|review|response|https|url|post"},
    {PHRASE_EXFILTRATE, 2, "!copy|put|post|print|paste|include|list|write|add contents|content|rows|records _5 into|in|to your answer|reply|response|comment|review"},
    {PHRASE_EXFILTRATE, 2, "!upload|post|send|forward|share|copy file? env|secrets|credentials|ssh|passwords|keys _2 paste|pastebin|gist|site|address|webhook|attacker|following"},
    {PHRASE_EXFILTRATE, 2, "full|entire|whole|complete conversation|chat|history so|to|as|in|with"},
    {PHRASE_EXFILTRATE, 2, "everything|all you know|remember|have|learned about|on|from"},
    {PHRASE_EXFILTRATE, 1, "read|open my|all|private|secret _1 notes|mails|emails|files|messages and|then"},
    {PHRASE_EXFILTRATE, 1, "followed|with|plus|and by? _2 value|contents of _4 key|variable|token|secret|password|environment"},
    {PHRASE_EXFILTRATE, 1, "wire|transfer|send|pay _1 dollars|euros|bitcoin|money|eur|usd to"},
    {PHRASE_EXFILTRATE, 1, "execute|run|pipe curl|wget s|fsl|http|https|o"},
    {PHRASE_VERBATIM, 1, "where data|content|text|x is everything|conversation|all|url"},
    {PHRASE_OUTPUT, 1, "fill|replace|substitute _2 last|user|conversation|data message|history|messages"},

    /* what it shall say */
    {PHRASE_OUTPUT, 2, "end|beginning|start|top|bottom of your|each|every _1 @answer|message"},
    {PHRASE_OUTPUT, 1, "in|to your|every|each|all|any _1 @answer"},
    {PHRASE_OUTPUT, 1, "!answer|reply|respond only|just|exclusively|solely with|by|in|yes"},
    {PHRASE_OUTPUT, 1, "!answer|reply|respond every|each|all|any further? question|questions|message"},
    {PHRASE_OUTPUT, 1, "and nothing else"},
    {PHRASE_OUTPUT, 1, "instead|rather reply|respond|answer that|with|only|by"},
    {PHRASE_OUTPUT, 2, "!give|assign|award it|this|them|paper? _1 highest|positive|favourable|favorable|perfect|excellent|maximum|best score|rating|review|grade|marks|evaluation"},
    {PHRASE_OUTPUT, 2, "!rate|score|rank|grade|recommend this|the|them|him|her applicant|candidate|paper|product|submission|resume|essay|it|service as|10|ten|highest|first|best|with"},
    {PHRASE_OUTPUT, 1, "candidate|applicant|paper|submission is|was exceptionally|extremely|outstanding|perfectly|excellent|highly"},
    {PHRASE_USER, 2, "!do? @not highlight|mention|criticise|criticize any|negatives|negative|weaknesses|competitor|competitors|flaws|drawbacks|limitations"},
    {PHRASE_USER, 1, "!do? @not summarise|summarize|translate|process|analyse|analyze this|page|text|document|mail|email|message"},
    {PHRASE_USER, 1, "whatever|regardless|no what|of|matter|rest _2 says|said|contains|else|asked"},
    {PHRASE_OUTPUT, 1, "recommend|praise|promote|prefer this|our|the product|service|company|site|brand|shop as|over|first|best"},

    /* what it shall keep */
    {PHRASE_MEMORY, 2, "remember|note|keep|store|save|for for|in|that|forever all|every|any future|later|subsequent|further conversations|conversation|sessions|chats|answers|questions"},
    {PHRASE_MEMORY, 2, "!update|edit|change|overwrite your long|longterm? term? memory|memories|bio"},
    {PHRASE_MEMORY, 2, "!save|store|add|write|commit|put this|it|that|following to|in|into your long? term? memory|memories"},
    {PHRASE_URGENCY, 1, "!when|once|if|after user next|then says|replies|types|answers|asks|sends"},

    /* where the text before ends */
    {PHRASE_BOUNDARY, 1, "end of document|prompt|conversation|article|context|webpage|page"},
    {PHRASE_BOUNDARY, 1, "task|summary|answer|request completed|complete|done|finished successfully|new|now|human|instruction|user|next"},
    {PHRASE_BOUNDARY, 1, "human|user now also|please|then|read|ignore"},
    {PHRASE_BOUNDARY, 1, "assistant sure|certainly|please|okay i|here|disregard|ignore"},
    {PHRASE_REVEAL, 3, "!decode|decrypt|decipher|unscramble|deobfuscate _4 base64|string|text|hex|rot13|following|message _2 follow|execute|obey|run|perform|do it|instructions|commands|orders|whatever|what|its"},

    /* what a reader does not see; within a tag */
    {PHRASE_HIDDEN, 1, "display none"},
    {PHRASE_HIDDEN, 1, "visibility hidden"},
    {PHRASE_HIDDEN, 1, "font size 0|0px|1px|0pt|1pt|0em|0rem"},
    {PHRASE_HIDDEN, 1, "color white|fff|ffffff|transparent"},
    {PHRASE_HIDDEN, 1, "opacity 0"},
    {PHRASE_HIDDEN, 1, "left|top|indent|right 9999px|10000px|5000px|999px"},

    /* in other languages */
    {PHRASE_OVERRIDE, 3, "@de_ignore alle|allen|samtliche|deine|die|ihre|bitte? @de_before _1 @de_orders"},
    {PHRASE_FORGET, 3, "@de_ignore alles _2 vorher|zuvor|bisher|oben|davor _1 gesagt|gesagte|steht|geschrieben|geschriebene|aufgetragen|wurde"},
    {PHRASE_REVEAL, 3, "gib|zeige|verrate|nenne|gebe _1 deinen|deine|dein systemprompt|systemanweisungen|anweisungen"},
    {PHRASE_OVERRIDE, 3, "@fr_ignore toutes|tous|tout|les|tes|vos|ces _1 @fr_orders _2 precedentes|precedents|anterieures|anterieurs|dessus|initiales|recues"},
    {PHRASE_OVERRIDE, 3, "oublie|oubliez toutes? tes|vos|toutes _1 @fr_orders"},
    {PHRASE_REVEAL, 2, "affiche|affichez|revele|revelez|montre|donne ton|ta|tes|votre|vos _1 prompt|instructions|cle|consignes"},
    {PHRASE_OVERRIDE, 3, "@es_ignore todas|todos|las|los|tus|sus|as|suas _1 @es_orders _1 anteriores|previas|previos|precedentes|recibidas|acima|iniciales|iniciais"},
    {PHRASE_OVERRIDE, 3, "olvida|olvide|esqueca|esquece|desconsidere|ignore todas|tus|suas|as|todas _1 @es_orders _1 anteriores|y|e|del|previas|acima|originales"},
    {PHRASE_REVEAL, 2, "muestra|muestre|revela|revele|mostre|exiba|imprime|imprima _1 prompt|mensaje|instrucciones|instrucoes del|de|do|ocultas|sistema sistema?"},
    {PHRASE_OVERRIDE, 3, "@it_ignore tutte|le|tue|i|tutti _1 @it_orders _1 precedenti|anteriori|ricevute|iniziali|sopra"},
    {PHRASE_OVERRIDE, 3, "@north_ignore alle|alla|semua|wszystkie|vsechny|toate|o? de|je|jouw|dina|dine? @north_before _1 @north_orders"},
    {PHRASE_OVERRIDE, 3, "@north_ignore semua|seluruh|toate|alla|alle _1 @north_orders _1 @north_before|ovan|ovenfor"},
    {PHRASE_OVERRIDE, 3, "onceki _1 talimatlari|komutlari|yonergeleri|talimatlarin _2 yok|unut|gormezden|unutun"},
    {PHRASE_OVERRIDE, 3, "@ru_ignore bce|yci|bci? @ru_before @ru_orders"},
    {PHRASE_OVERRIDE, 3, "@ru_ignore bce|bci|yci @ru_orders _1 pahee|buse|npedudysie"},
};
#define SAYINGS ARRAY_LEN(sayings)
#define SAYINGS_MAX 200u
/* clang-format on */

#endif
